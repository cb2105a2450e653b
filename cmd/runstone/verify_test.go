package main

import (
	"bufio"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVerifyDeath tells a child that reported an error from one that died.
func TestVerifyDeath(t *testing.T) {
	for _, c := range []struct {
		said string
		code int
		msg  string
		died bool
	}{
		{`{"error":{"code":"no_space","exit":7,"message":"full","next":"free space"}}` + "\n", exitNoSpace, "full", false},
		{"a warning\npanic: runtime error: index out of range [1]\n\ngoroutine 1 [running]:\n", 2, "reading it ended the process: panic: runtime error: index out of range [1]", true},
		{"unexpected fault address 0x7f\nfatal error: fault\n[signal SIGBUS: bus error]\n", 2, "reading it ended the process: unexpected fault address 0x7f", true},
		{"", -1, "reading it ended the process (-1)", true},
	} {
		h := &head{}
		n, err := h.Write([]byte(c.said))
		require.NoError(t, err)
		require.Equal(t, len(c.said), n)
		f, died := h.fault(c.code)
		require.Equal(t, c.died, died)
		require.Equal(t, c.msg, f.msg)
		if died {
			require.Equal(t, exitCorrupt, f.code)
		} else {
			require.Equal(t, c.code, f.code)
		}
	}
	h := &head{}
	for range 3 {
		_, err := h.Write([]byte(strings.Repeat("x", maxHead)))
		require.NoError(t, err)
	}
	require.Equal(t, maxHead, h.Len())
}

// TestVerifyWaiting names the inbox files that are not applied yet.
func TestVerifyWaiting(t *testing.T) {
	for waiting, want := range map[int]string{
		0: "", 1: "1 inbox file, not all of it applied\n", 1234: "1,234 inbox files, not all of them applied\n",
	} {
		a, out, _ := newApp(nil)
		a.stdout = bufio.NewWriter(out)
		require.NoError(t, a.printVerify(&verifyView{Sound: true, Report: &reportView{Runs: 1, Waiting: waiting}}, false))
		require.NoError(t, a.stdout.Flush())
		require.Equal(t, "read 0 experiments, 1 run, 0 rows, 0 blocks, 0 points: all sound\n"+want, out.String())
	}
}

// TestVerifyRecords reads what a child said, also when it stopped in the middle.
func TestVerifyRecords(t *testing.T) {
	v := &verifyView{}
	require.NoError(t, v.collect(strings.NewReader(`{"problem":{"where":"a","error":"b"}}
{"report":{"runs":3}}
`)))
	require.Equal(t, []problemView{{"a", "b"}}, v.Problems)
	require.Equal(t, int64(3), v.Report.Runs)
	v = &verifyView{}
	require.NoError(t, v.collect(strings.NewReader(`{"problem":{"where":"a","error":"b"}}`+"\n"+`{"prob`)))
	require.Len(t, v.Problems, 1)
	require.Nil(t, v.Report)
	require.Error(t, v.collect(strings.NewReader("nonsense")))
}
