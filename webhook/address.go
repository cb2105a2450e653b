package webhook

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// special are the ranges of addresses that are not of the public internet, of
// IANA's two registries; of IPv6 those within 2000::/3, outside of which nothing
// is public.
var special = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
)

// Public reports whether an address is one of the public internet: not of this
// machine, a private network, a link, a group, a tunnel or a cloud's metadata.
// An IPv4 address inside an IPv6 one is judged itself.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addressError is a connection that was refused.
type addressError struct{ addr string }

func (e *addressError) Error() string { return "the address " + e.addr + " is not public" }

// control refuses a connection just before it is made, when the address is what
// it will be.
func (o *Options) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !o.AllowPrivate && !Public(at.Addr()) {
		return &addressError{address}
	}
	return nil
}

// dial connects to the first address of a host that answers.
func (o *Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := o.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout, Control: o.control}
	err = fmt.Errorf("%s has no address", host)
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// resolve returns the addresses of a host, which may be one.
func (o *Options) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if o.Resolve != nil {
		return o.Resolve(ctx, host)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// checkHost says of a host that resolves to an address that is not public, so
// that who makes a webhook hears of it. What counts is the check of control.
func (o *Options) checkHost(ctx context.Context, host string) error {
	if o.AllowPrivate {
		return nil
	}
	addrs, err := o.resolve(ctx, host)
	if err != nil {
		return invalid("Cannot resolve Webhook URL hostname %s", repr(host))
	}
	for _, a := range addrs {
		if !Public(a) {
			return invalid("Webhook URL must not resolve to a non-public IP address. %s resolves to %s.", repr(host), a.Unmap())
		}
	}
	return nil
}
