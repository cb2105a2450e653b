package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

const good = "zebra-quartz-19"

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	require.NoError(t, err)
	return s
}

func TestUsers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	users, err := s.Users()
	require.NoError(t, err)
	require.Empty(t, users)
	require.NoFileExists(t, filepath.Join(dir, FileName), "looking makes no file")

	require.NoError(t, s.AddUser("ada", good, true))
	require.ErrorIs(t, s.AddUser("ada", good, false), ErrExists)
	require.NoError(t, s.AddUser("bob", "", false))
	require.ErrorIs(t, s.SetAdmin("ada", false), ErrInvalid, "the last administrator")
	require.ErrorIs(t, s.RemoveUser("ada"), ErrInvalid)
	require.ErrorIs(t, s.SetPassword("eve", good), ErrNotFound)
	require.NoError(t, s.SetAdmin("bob", true))
	require.NoError(t, s.RemoveUser("ada"))
	_, err = s.User("ada")
	require.ErrorIs(t, err, ErrNotFound)

	// Ids are not used twice.
	require.NoError(t, s.AddUser("ada", good, false))
	u, err := s.User("ada")
	require.NoError(t, err)
	require.Equal(t, int64(3), u.ID)
	require.True(t, u.HasPassword())

	info, err := os.Stat(filepath.Join(dir, FileName))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.NotContains(t, string(text), good)

	for _, name := range []string{"", "a:b", " a", "a ", "a\nb", "rst_x", "a/b", "a%b", "\xff", string(bytes.Repeat([]byte("x"), 129))} {
		require.ErrorIs(t, s.AddUser(name, good, false), ErrInvalid, "%q", name)
	}
}

func TestPasswordRule(t *testing.T) {
	for _, bad := range []string{
		"short", "elevenchars", "password1234", "Password1234!", "123456789012", "aaaaaaaaaaaa", "ababababababab", "abcdefghijklm",
		"administrator", "admin1234567", "adalovelace12", "correcthorsebatterystaple", "mlflow123456", string(bytes.Repeat([]byte("xyzw1"), 300)),
	} {
		err := CheckPassword("adalovelace", bad)
		require.ErrorIs(t, err, ErrInvalid, bad)
		require.NotContains(t, err.Error(), bad)
	}
	for _, ok := range []string{good, "twelve chars", "пароль-длинный", "x9$kkP2mmQ7!"} {
		require.NoError(t, CheckPassword("adalovelace", ok), ok)
	}
}

func TestLogin(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := context.Background()
	require.NoError(t, s.AddUser("ada", good, false))
	require.NoError(t, s.AddUser("bot", "", false))
	for range 3 { // from memory after the first
		u, err := s.Login(ctx, "ada", good, "a")
		require.NoError(t, err)
		require.Equal(t, "ada", u.Name)
	}
	for _, c := range [][2]string{{"ada", good + "x"}, {"ada", ""}, {"bot", ""}, {"bot", good}, {"eve", good}, {"Ada", good}, {"", good}, {"ada", "rst_nonsense"}} {
		_, err := s.Login(ctx, c[0], c[1], c[0])
		require.ErrorIs(t, err, ErrDenied, "%q", c)
	}
	// A new password ends the old one, wherever it was remembered.
	require.NoError(t, s.SetPassword("ada", "an-other-secret"))
	_, err := s.Login(ctx, "ada", good, "b")
	require.ErrorIs(t, err, ErrDenied)
	_, err = s.Login(ctx, "ada", "an-other-secret", "b")
	require.NoError(t, err)
	require.NoError(t, s.SetPassword("ada", ""))
	_, err = s.Login(ctx, "ada", "an-other-secret", "b")
	require.ErrorIs(t, err, ErrDenied)
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	now := time.Now()
	s.now = func() time.Time { return now }
	ctx := context.Background()
	require.NoError(t, s.AddUser("ada", good, false))
	require.NoError(t, s.AddUser("bob", good, false))
	text, token, err := s.NewToken("ada", "ci", time.Hour)
	require.NoError(t, err)
	require.Len(t, text, len(tokenPrefix)+43)
	for _, name := range []string{"ada", "", "token"} {
		u, err := s.Login(ctx, name, text, "a")
		require.NoError(t, err, name)
		require.Equal(t, "ada", u.Name)
	}
	_, err = s.Login(ctx, "bob", text, "a")
	require.ErrorIs(t, err, ErrDenied)
	_, err = s.Password(ctx, "ada", text, "a")
	require.ErrorIs(t, err, ErrDenied, "a token is no password")
	_, err = s.Token(text + "x")
	require.ErrorIs(t, err, ErrDenied)
	u, err := s.Token(text)
	require.NoError(t, err)
	require.Equal(t, token.ID, u.Tokens()[0].ID)

	now = now.Add(time.Hour)
	_, err = s.Token(text)
	require.ErrorIs(t, err, ErrDenied, "expired")
	now = now.Add(-time.Minute)

	// What another process does is seen at once, however fast it comes.
	for range 20 {
		fresh, token, err := other.NewToken("ada", "", 0)
		require.NoError(t, err)
		_, err = s.Token(fresh)
		require.NoError(t, err)
		require.NoError(t, other.RevokeToken("ada", token.ID))
		_, err = s.Token(fresh)
		require.ErrorIs(t, err, ErrDenied)
	}
	require.ErrorIs(t, other.RevokeToken("ada", "none"), ErrNotFound)
	require.NoError(t, other.RemoveUser("ada"))
	_, err = s.Token(text)
	require.ErrorIs(t, err, ErrDenied)
}

// TestLevels is the table of what grants make of the default level.
func TestLevels(t *testing.T) {
	none := Level(255) // no grant
	for _, c := range []struct{ base, own, all, want Level }{
		{Read, none, none, Read},
		{NoPermissions, none, none, NoPermissions},
		{NoPermissions, Edit, none, Edit},
		{Edit, Read, none, Edit},
		{Read, Manage, none, Manage},
		{Read, Deny, none, NoPermissions},
		{Manage, none, Deny, NoPermissions},
		{Manage, Manage, Deny, NoPermissions},
		{Manage, Deny, Manage, NoPermissions},
		{Read, NoPermissions, none, NoPermissions},
		{Read, NoPermissions, Manage, NoPermissions},
		{Read, none, NoPermissions, NoPermissions},
		{Read, Edit, NoPermissions, Edit},
		{NoPermissions, none, Edit, Edit},
		{NoPermissions, Read, Edit, Edit},
	} {
		s := open(t, t.TempDir())
		require.NoError(t, s.SetDefault(c.base))
		require.NoError(t, s.AddUser("ada", "", false))
		if c.own != none {
			require.NoError(t, s.Grant("ada", Grant{Experiment, "7", c.own}))
		}
		if c.all != none {
			require.NoError(t, s.Grant("ada", Grant{Experiment, All, c.all}))
		}
		u, err := s.User("ada")
		require.NoError(t, err)
		name := fmt.Sprintf("default %v, own %v, all %v", c.base, c.own, c.all)
		require.Equal(t, c.want, u.Level(Experiment, "7"), name)
		if u.SeesAll(Experiment) {
			require.GreaterOrEqual(t, u.Level(Experiment, "7"), Read, name)
			require.GreaterOrEqual(t, u.Level(Experiment, "8"), Read, name)
		}
		require.Equal(t, c.base, u.Level(Model, "7"), "another kind")
	}
}

func TestGrants(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"ada", "bob"} {
		require.NoError(t, s.AddUser(name, "", false))
	}
	level := func(name string, kind Kind, id string) Level {
		u, err := s.User(name)
		require.NoError(t, err)
		return u.Level(kind, id)
	}
	require.NoError(t, s.AddGrant("ada", Grant{Model, "m", Edit}))
	require.ErrorIs(t, s.AddGrant("ada", Grant{Model, "m", Edit}), ErrExists)
	require.NoError(t, s.Grant("bob", Grant{Model, "n", Manage}))
	require.NoError(t, s.Rename(Model, "m", "n"))
	require.Equal(t, Edit, level("ada", Model, "n"))
	require.Equal(t, Read, level("ada", Model, "m"))
	require.Equal(t, Read, level("bob", Model, "n"), "what an earlier n had is gone")
	require.NoError(t, s.Drop(Model, "n"))
	require.Equal(t, Read, level("ada", Model, "n"))
	require.ErrorIs(t, s.Revoke("ada", Model, "n"), ErrNotFound)

	require.NoError(t, s.Own("ada", Model, "made"))
	before, err := s.Replace("ada", Grant{Model, "made", Read})
	require.NoError(t, err)
	require.Equal(t, &Grant{Model, "made", Manage}, before, "also what its maker had")
	before, err = s.Replace("bob", Grant{Model, "made", Read})
	require.NoError(t, err)
	require.Nil(t, before)

	// A new experiment may have the id of one that was purged.
	require.NoError(t, s.Grant("ada", Grant{Experiment, "7", Manage}))
	require.NoError(t, s.Own("bob", Experiment, "7"))
	require.Equal(t, Read, level("ada", Experiment, "7"))
	require.Equal(t, Manage, level("bob", Experiment, "7"))
	require.NoError(t, s.Own("", Experiment, "7"))
	require.Equal(t, Read, level("bob", Experiment, "7"))

	require.NoError(t, s.Grant("ada", Grant{Model, "x", Deny}))
	require.NoError(t, s.Own("bob", Model, "x"))
	require.Equal(t, NoPermissions, level("ada", Model, "x"), "a refusal stays")

	for _, g := range []Grant{{Experiment, "", Read}, {Experiment, "01", Read}, {Experiment, "-1", Read}, {Experiment, "x", Read}, {Model, "", Read}, {0, "1", Read}, {3, "*", Read}, {Model, "a", 6}} {
		require.ErrorIs(t, s.Grant("ada", g), ErrInvalid, "%v", g)
	}
}

func TestLockout(t *testing.T) {
	s := open(t, t.TempDir())
	now := time.Now()
	s.now = func() time.Time { return now }
	ctx := context.Background()
	require.NoError(t, s.AddUser("ada", good, false))
	for range freeFails {
		_, err := s.Login(ctx, "ada", "wrong-wrong-wrong", "a")
		require.ErrorIs(t, err, ErrDenied)
	}
	var wait *WaitError
	_, err := s.Login(ctx, "ada", good, "a")
	require.ErrorAs(t, err, &wait, "the right password does not help")
	require.Equal(t, firstWait, wait.After)
	_, err = s.Login(ctx, "ada", good, "b")
	require.NoError(t, err, "another address is free")

	now = now.Add(firstWait)
	_, err = s.Login(ctx, "ada", "wrong-wrong-wrong", "a")
	require.ErrorIs(t, err, ErrDenied)
	_, err = s.Login(ctx, "ada", good, "a")
	require.ErrorAs(t, err, &wait)
	require.Equal(t, 2*firstWait, wait.After, "it doubles")
	now = now.Add(2 * firstWait)
	_, err = s.Login(ctx, "ada", good, "a")
	require.NoError(t, err)
	require.Zero(t, s.fails.wait(now, "ada", "a"))

	// Many names from one address, tried without hashing.
	for i := range freeOfAll {
		s.fails.add(now, fmt.Sprint(i), "c")
	}
	_, err = s.Login(ctx, "ada", good, "c")
	require.ErrorAs(t, err, &wait)
	for i := range 3 * maxRemember {
		s.fails.add(now, fmt.Sprint(i), fmt.Sprint(i))
	}
	require.LessOrEqual(t, len(s.fails.byKey), maxRemember)
	require.LessOrEqual(t, s.fails.wait(now, "ada", "c"), longestWait)
}

// TestManyAtOnce: a job starts a hundred connections with one password, which
// is tried once or twice; and wrong ones do not get more attempts that way.
func TestManyAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.AddUser("ada", good, false))
	try := func(password, from string) (ok, denied, wait int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				_, err := s.Login(context.Background(), "ada", password, from)
				mu.Lock()
				defer mu.Unlock()
				var w *WaitError
				switch {
				case err == nil:
					ok++
				case errors.As(err, &w):
					wait++
				case errors.Is(err, ErrDenied):
					denied++
				}
			})
		}
		wg.Wait()
		return ok, denied, wait
	}
	ok, _, _ := try(good, "a")
	require.Equal(t, 60, ok)
	ok, denied, wait := try("wrong-wrong-wrong", "b")
	require.Zero(t, ok)
	require.LessOrEqual(t, denied, freeFails+maxHashing)
	require.Equal(t, 60, denied+wait)
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.AddUser("ada", good, true))
	text, _, err := s.NewToken("ada", "", 0)
	require.NoError(t, err)
	path := filepath.Join(dir, FileName)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 0; i < len(whole); i += 7 {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x10
		require.NoError(t, os.WriteFile(path, broken, 0o600))
		time.Sleep(lookEvery)
		_, err := Open(dir)
		require.ErrorIs(t, err, record.ErrCorrupt)
		_, err = s.Token(text)
		require.ErrorIs(t, err, record.ErrCorrupt, "nobody gets in on what was known before")
	}
	// A file that is gone lets nobody in either.
	require.NoError(t, os.Remove(path))
	time.Sleep(lookEvery)
	_, err = s.Token(text)
	require.ErrorIs(t, err, ErrDenied)
}

// TestWriters: two processes change the file at once and lose nothing.
func TestWriters(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for w := range 4 {
		s := open(t, dir)
		wg.Go(func() {
			for i := range 10 {
				if err := s.AddUser(fmt.Sprintf("u%d-%d", w, i), "", false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	users, err := open(t, dir).Users()
	require.NoError(t, err)
	require.Len(t, users, 40)
}

func FuzzDecode(f *testing.F) {
	sum := sha256.Sum256([]byte("x"))
	row := &fileRow{Next: 3, Default: 1, Users: []userRow{
		{ID: 1, Name: "ada", Admin: true, Password: passwordRow{KiB: 8, Passes: 1, Threads: 1, Salt: make([]byte, 16), Hash: make([]byte, 32)}},
		{ID: 2, Name: "bob", Tokens: []tokenRow{{ID: "1", Sum: sum[:], Created: 5}}, Grants: []grantRow{{1, "7", 3}, {2, "*", 5}}},
	}}
	body, err := record.Encode(row)
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte{0x93, 1, 1, 0x90})
	f.Fuzz(func(t *testing.T, body []byte) {
		row, err := decode(body)
		if err != nil {
			require.ErrorIs(t, err, record.ErrCorrupt)
			return
		}
		again, err := record.Encode(row)
		require.NoError(t, err)
		same, err := decode(again)
		require.NoError(t, err)
		require.Equal(t, row, same)
	})
}

func BenchmarkLogin(b *testing.B) {
	s, err := Open(b.TempDir())
	require.NoError(b, err)
	require.NoError(b, s.AddUser("ada", good, false))
	text, _, err := s.NewToken("ada", "", 0)
	require.NoError(b, err)
	time.Sleep(2 * settled)
	for name, secret := range map[string]string{"password": good, "token": text} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Login(b.Context(), "ada", secret, "127.0.0.1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
