package otp_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// With the secret of the RFCs, steps adj and adj+1 have the same code, and so have steps gap and gap+2.
const adj, gap = 910737, 153567

func TestStep(t *testing.T) {
	tests := []struct {
		seconds int64
		period  int
		want    int64
	}{
		{0, 30, 0}, {29, 30, 0}, {30, 30, 1}, {59, 60, 0}, {60, 60, 1},
		{-1, 30, -1}, {-30, 30, -1}, {-31, 30, -2},
	}
	for _, test := range tests {
		p := otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: test.period}
		if got := p.Step(time.Unix(test.seconds, 999_999_999)); got != test.want {
			t.Errorf("%d s with a period of %d s: step %d, want %d", test.seconds, test.period, got, test.want)
		}
	}
}

func TestI42_OnlyOneStepEitherSide(t *testing.T) {
	secret := seed(20)
	const now = 1000
	for _, second := range []int64{0, 29} { // the first and the last of the step
		at := time.Unix(now*30+second, 0)
		for step := int64(now - 25); step <= now+25; step++ {
			got, ok := otp.Default.Match(secret, otp.Default.Code(secret, step), at, 1, 1)
			inside := step >= now-1 && step <= now+1
			if ok != inside || ok && got != step {
				t.Errorf("code of step %d at step %d: %d, %v", step, now, got, ok)
			}
		}
	}
}

// Match returns the later step. Once that step is burnt, the code cannot be used again.
func TestMatchReturnsLaterStep(t *testing.T) {
	secret := seed(20)
	for _, pair := range [][2]int64{{adj, adj + 1}, {gap, gap + 2}} {
		code := otp.Default.Code(secret, pair[0])
		if code != otp.Default.Code(secret, pair[1]) {
			t.Fatalf("steps %d and %d must have the same code", pair[0], pair[1])
		}
		for now := pair[1] - 1; now <= pair[0]+1; now++ {
			if step, ok := otp.Default.Match(secret, code, time.Unix(now*30, 0), 1, 1); !ok || step != pair[1] {
				t.Errorf("at %d: %d, %v, want %d", now, step, ok, pair[1])
			}
		}
		if step, ok := otp.Default.Match(secret, code, time.Unix((pair[0]-1)*30, 0), 1, 1); !ok || step != pair[0] {
			t.Errorf("with the later step outside the window: %d, %v, want %d", step, ok, pair[0])
		}
	}
}

func TestMatchAllOrder(t *testing.T) {
	secret := seed(20)
	code := otp.Default.Code(secret, adj) // also the code of adj+1
	tests := []struct {
		name        string
		now         int64
		back, ahead int
		want        []int64
	}{
		{"one current, one ahead", adj, 20, 20, []int64{adj, adj + 1}},
		{"one current, one behind", adj + 1, 20, 20, []int64{adj + 1, adj}},
		{"both far behind", adj + 20, 20, 20, []int64{adj + 1, adj}},
		{"both far ahead", adj - 19, 20, 20, []int64{adj, adj + 1}},
		{"one too far ahead", adj - 20, 20, 20, []int64{adj}},
		{"one too far behind", adj + 21, 20, 20, []int64{adj + 1}},
		{"outside", adj + 22, 20, 20, nil},
		{"window without past steps", adj + 1, 0, 20, []int64{adj + 1}},
		{"window without future steps", adj, 20, 0, []int64{adj}},
	}
	for _, test := range tests {
		got := otp.Default.MatchAll(secret, code, time.Unix(test.now*30, 0), test.back, test.ahead)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	code = otp.Default.Code(secret, gap) // also the code of gap+2
	got := otp.Default.MatchAll(secret, code, time.Unix((gap+1)*30, 0), 20, 20)
	if !slices.Equal(got, []int64{gap, gap + 2}) {
		t.Errorf("equally distant: %d", got)
	}
}

func TestNoMatchBeforeStep0(t *testing.T) {
	secret := seed(20)
	for _, test := range []struct {
		step, now int64
		want      bool
	}{{-1, 0, false}, {-1, -1, false}, {0, 0, true}, {0, -1, true}, {1, 0, true}, {-2, -1, false}} {
		step, ok := otp.Default.Match(secret, otp.Default.Code(secret, test.step), time.Unix(test.now*30, 0), 1, 1)
		if ok != test.want || ok && step != test.step {
			t.Errorf("code of step %d at step %d: %d, %v", test.step, test.now, step, ok)
		}
	}
}

func TestMatchDenies(t *testing.T) {
	secret, at := seed(20), time.Unix(59, 0)
	right := otp.Default.Code(secret, 1)
	tests := []struct {
		name   string
		params otp.Params
		secret []byte
		code   string
	}{
		{"wrong code", otp.Default, secret, "000000"},
		{"no code", otp.Default, secret, ""},
		{"a digit too few", otp.Default, secret, right[:5]},
		{"a digit too many", otp.Default, secret, right + "0"},
		{"leading zero", otp.Default, secret, "0" + right},
		{"space before", otp.Default, secret, " " + right[1:]},
		{"sign", otp.Default, secret, "+" + right[1:]},
		{"letter", otp.Default, secret, right[:5] + "a"},
		{"a sign twelve above zero", otp.Default, secret, "28707<"},
		{"a control character, 212 above zero in a byte", otp.Default, secret, "28687\x04"},
		{"full-width digit", otp.Default, secret, "２８７"},
		{"eight digits instead of six", otp.Default, secret, "94287082"},
		{"wrong secret", otp.Default, seed(19), right},
		{"empty secret", otp.Default, nil, otp.Default.Code(nil, 1)},
		{"no parameters", otp.Params{}, secret, ""},
		{"unknown algorithm", otp.Params{Algorithm: "MD5", Digits: 6, Period: 30}, secret, right},
		{"algorithm in lower case", otp.Params{Algorithm: "sha1", Digits: 6, Period: 30}, secret, right},
		{"five digits", otp.Params{Algorithm: otp.SHA1, Digits: 5, Period: 30}, secret, right[1:]},
		{"nine digits", otp.Params{Algorithm: otp.SHA1, Digits: 9, Period: 30}, secret, "094287082"},
		{"period zero", otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 0}, secret, right},
		{"period negative", otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: -30}, secret, right},
	}
	for _, test := range tests {
		if step, ok := test.params.Match(test.secret, test.code, at, 1, 1); ok {
			t.Errorf("%s: matched step %d", test.name, step)
		}
	}
	if step, ok := otp.Default.Match(secret, right, at, 1, 1); !ok || step != 1 {
		t.Errorf("correct code: %d, %v", step, ok)
	}
	if _, ok := otp.Default.Match(secret, right, time.Unix(math.MaxInt64, 0), 1, 1); ok {
		t.Error("matched at the end of time")
	}
}

func TestHOTPPanics(t *testing.T) {
	for name, try := range map[string]func(){
		"algorithm":   func() { otp.HOTP(seed(20), 0, "MD5", 6) },
		"five digits": func() { otp.HOTP(seed(20), 0, otp.SHA1, 5) },
		"nine digits": func() { otp.HOTP(seed(20), 0, otp.SHA1, 9) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			try()
		}()
	}
}

func BenchmarkMatch(b *testing.B) {
	for name, width := range map[string]int{"accept": 1, "hint": 20} {
		b.Run(name, func(b *testing.B) {
			secret, at := otp.NewSecret(), time.Unix(1_800_000_000, 0)
			code := otp.Default.Code(secret, 1)
			b.ReportAllocs()
			for b.Loop() {
				otp.Default.Match(secret, code, at, width, width)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*width+1), "ns/step")
		})
	}
}
