package passwd_test

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

var anna = []string{"Anna Müller-Østergård", "anna.mueller@globex.example", "Globex Corporation", ""}

func TestCheck(t *testing.T) {
	const ok = passwd.Reason("")
	for password, want := range map[string]passwd.Reason{
		"":                                                 passwd.TooShort,
		"x7Kq!m2Lp9wZ4v":                                   passwd.TooShort,
		"éééééééé":                                         passwd.TooShort, // characters, not bytes
		"cafe\u0301 zwo\u0308lf 7x":                        passwd.TooShort, // 14 characters once normalised
		"qwertyuiopasdfghjkl":                              passwd.Guessable,
		"QwertyUiopAsdfghjkl":                              passwd.Guessable,
		"aaaaaaaaaaaaaaa":                                  passwd.Guessable,
		"abcdefghijklmno":                                  passwd.Guessable,
		"PasswordPassword":                                 passwd.Compromised,
		"passwordpassword":                                 passwd.Compromised,
		"P4ssw0rdP4ssw0rd":                                 passwd.Guessable,
		"iloveyou1234567":                                  passwd.Guessable,
		"Summer2026!Summer2026!":                           passwd.Guessable,
		"1qaz2wsx3edc4rfv":                                 passwd.Compromised,
		"sallyportsallyport":                               passwd.Personal,
		"Sallyport-2026!!":                                 passwd.Personal,
		"5a11yp0rt-5a11yp0rt":                              passwd.Personal,
		"tropyllas-tropyllas":                              passwd.Personal,
		"AnnaMuellerGlobexSallyport":                       passwd.Personal,
		"annamüller1987globex":                             passwd.Personal,
		"anna.mueller@globex.example":                      passwd.Personal,
		"GlobexCorporation123":                             passwd.Personal,
		"x7Kq!m2Lp9wZ4vR":                                  ok,
		"correct horse battery staple":                     ok,
		"annas purple elephants dance":                     ok,
		"sallyport ate my homework":                        ok,
		"夜の街は静かで星がよく見えるね":                                  ok,
		"👩‍💻 likes 🧀 and 🦔 more":                           ok,
		"tab\tand\nline end and bell \a":                   ok,
		strings.Repeat("correct horse battery staple ", 3): ok,
		strings.Repeat("purple elephants ", 60) + "1":      ok, // 1 KiB
		strings.Repeat("a", passwd.MaxBytes+1):             passwd.TooLong,
		strings.Repeat("correct horse battery staple ", 10<<20/29): passwd.TooLong,
		"correct horse\x00battery staple":                          passwd.Unreadable,
		"correct horse battery \xff\xfe staple":                    passwd.Unreadable,
	} {
		err := passwd.Check(password, 15, anna)
		var weak *passwd.Weak
		switch {
		case want == ok && err != nil:
			t.Errorf("%.60q: %v", password, err)
		case want != ok && (!errors.As(err, &weak) || weak.Reason != want):
			t.Errorf("%.60q: %v, want %s", password, err, want)
		}
		if err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("the error contains the password %q", password)
		}
	}
}

func TestCheckMinimum(t *testing.T) {
	for _, c := range []struct {
		password string
		minimum  int
		ok       bool
	}{
		{"x7Kq!m2L", 8, false}, // long enough, and 10^8 guesses, not one more
		{"x7Kq!m2Lp", 8, true}, {"x7Kq!m2Lp", 9, true}, {"x7Kq!m2Lp", 10, false}, {"x7Kq!m2Lp", 15, false},
	} {
		if err := passwd.Check(c.password, c.minimum, nil); (err == nil) != c.ok {
			t.Errorf("%s with %d: %v", c.password, c.minimum, err)
		}
	}
}

// The whole password is hashed, but only its first 64 characters are judged.
func TestCheckJudges64Characters(t *testing.T) {
	if err := passwd.Check(strings.Repeat("a", 64)+"x7Kq!m2Lp9wZ4vR", 15, nil); err == nil {
		t.Error("characters after the first 64 counted")
	}
}

func TestScore(t *testing.T) {
	for password, want := range map[string]int{
		"": 0, "password": 0, "PASSWORD": 0, "dragon1": 0, "anna1987london": 1, "mississippi river": 3, "x7Kq!m2Lp9wZ": 4,
		"globexglobexglobex": 0, "correct horse battery staple": 4, "\xff\xff\xff\xff": 0,
		strings.Repeat("x7Kq!m2Lp9wZ", 400): 0,
	} {
		if got := passwd.Score(password, anna); got != want {
			t.Errorf("%.40q: %d, want %d", password, got, want)
		}
	}
}

// testdata/zxcvbn.tsv has the estimates of two other programs for 285 passwords: the decimal logarithms of the guesses
// by zxcvbn 4.4.2 and by @zxcvbn-ts/core 4.2.0, whose word lists are close to ours. Our estimate must lie between the
// two, or within half a power of ten of one.
func TestAgreesWithZxcvbn(t *testing.T) {
	table, err := os.ReadFile("testdata/zxcvbn.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")
	apart := 0
	for _, line := range lines {
		f := strings.SplitN(line, "\t", 3)
		one, err1 := strconv.ParseFloat(f[0], 64)
		two, err2 := strconv.ParseFloat(f[1], 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("line %q", line)
		}
		ours := math.Log10(passwd.Guesses(f[2]))
		if ours < min(one, two)-0.5 || ours > max(one, two)+0.5 {
			apart++
			t.Logf("%q: 10^%.2f, others 10^%.2f and 10^%.2f", f[2], ours, one, two)
		}
	}
	if len(lines) < 280 || apart > len(lines)/50 {
		t.Errorf("%d of %d estimates differ", apart, len(lines))
	}
}

func TestI36_Normalise(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", "A\u030angstro\u0308m": "Ångström", "a\u00a0b\u3000c": "a b c", "ﬁ": "ﬁ", "\t\n": "\t\n",
	} {
		if got := passwd.Normalise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { passwd.Normalise("correct horse battery staple") }); n != 0 {
		t.Errorf("%v allocations for ASCII", n)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "password", "1|!71|!7", "P4$$w0rd 19.3.1987", "abcabcabc", "qwertzuiop", "\xff\x00", "ǅ\u0301\u00a0İ", strings.Repeat("ab1!", 2000)} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, password, about string) {
		err := passwd.Check(password, 8, []string{about})
		var weak *passwd.Weak
		if err != nil && !errors.As(err, &weak) {
			t.Fatalf("%q: %v", password, err)
		}
		score := passwd.Score(password, []string{about})
		if score < 0 || score > 4 {
			t.Fatalf("%q: score %d", password, score)
		}
		if err == nil && (score < 3 || utf8.RuneCountInString(passwd.Normalise(password)) < 8 || len(password) > passwd.MaxBytes) {
			t.Fatalf("%q passed with score %d", password, score)
		}
		if n := passwd.Normalise(password); passwd.Normalise(n) != n {
			t.Fatalf("%q: normalising twice differs from normalising once", password)
		}
	})
}
