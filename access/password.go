package access

import (
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Costs of a password, from OWASP's list for argon2id: 19 MiB, two passes.
const (
	hashKiB     = 19 << 10
	hashPasses  = 2
	hashThreads = 1
	hashSize    = 32
	saltSize    = 16

	// maxHashing bounds the memory for trying passwords; half of the processors
	// are left to other work.
	maxHashing = 2
	// maxWaiting bounds those who wait for that.
	maxWaiting = 64
)

const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes
)

// wellKnown are passwords of at least twelve characters that everybody tries,
// besides those that [CheckPassword] refuses for their form.
var wellKnown = []string{
	"administrator", "adminadminadmin", "changemechangeme", "changemeplease", "correcthorsebatterystaple",
	"defaultpassword", "iloveyouiloveyou", "letmeinletmein", "letmeinplease", "mlflowmlflow", "mlflowpassword",
	"newpassword1", "p@ssw0rdp@ssw0rd", "passwordpassword", "qwertyqwerty", "qwertyuiopasdfghjkl", "qwertyuiop12",
	"1q2w3e4r5t6y", "1qaz2wsx3edc", "qazwsxedcrfv", "zaq12wsxcde3", "runstonerunstone", "secretsecret", "supersecretpassword", "welcomewelcome",
}

// CheckPassword refuses with [ErrInvalid] what is too short or well known.
func CheckPassword(name, password string) error {
	if utf8.RuneCountInString(password) < minPassword {
		return invalid("Password must be at least %d characters", minPassword)
	}
	if len(password) > maxPassword {
		return invalid("Password must be at most %d bytes", maxPassword)
	}
	low := strings.ToLower(password)
	word := strings.TrimRight(low, "0123456789!.?#$@*_-") // "password1234!", MLflow's old default among them
	seen := map[rune]bool{}
	for _, r := range low {
		seen[r] = true
	}
	switch {
	case slices.Contains(wellKnown, low),
		slices.Contains([]string{"", "password", "passw0rd", "p@ssword", "p@ssw0rd", "admin", "root", "user", "test", "mlflow", "runstone", "qwerty", "qwertyuiop", "abc", "letmein", "welcome", "changeme", "secret", "iloveyou", strings.ToLower(name)}, word),
		strings.Contains("0123456789012345678901234567890", low), strings.Contains("abcdefghijklmnopqrstuvwxyz", low),
		len(seen) < 5:
		return invalid("Password is too easy to guess: it is on a list of well-known ones, or nearly the user's name")
	}
	return nil
}

// newPassword hashes a password; "" is none.
func newPassword(name, password string) (passwordRow, error) {
	if password == "" {
		return passwordRow{}, nil
	}
	if err := CheckPassword(name, password); err != nil {
		return passwordRow{}, err
	}
	p := passwordRow{KiB: hashKiB, Passes: hashPasses, Threads: hashThreads, Salt: make([]byte, saltSize)}
	_, _ = rand.Read(p.Salt)
	p.Hash = p.hash(password, hashSize)
	return p, nil
}

func (p *passwordRow) hash(password string, size int) []byte {
	return argon2.IDKey([]byte(password), p.Salt, p.Passes, p.KiB, p.Threads, uint32(size)) //nolint:gosec // sizes are small
}

// is reports whether this is the password. A user without one, or no user,
// takes as long.
func (p *passwordRow) is(password string) bool {
	if len(p.Hash) == 0 {
		none := passwordRow{KiB: hashKiB, Passes: hashPasses, Threads: hashThreads, Salt: make([]byte, saltSize)}
		none.hash(password, hashSize)
		return false
	}
	return subtle.ConstantTimeCompare(p.hash(password, len(p.Hash)), p.Hash) == 1
}
