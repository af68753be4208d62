package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// Duration of one half of a pair.
const (
	hashing    = 2 * time.Second
	requesting = time.Second
)

// requests is the ceiling for phases with one request.
func (b *bench) requests(int) (float64, error) {
	perSecond, _, err := rate(b.empty.host, 0, 1<<30, requesting, func(c *client, _ int) error {
		_, err := c.get("/", "")
		return err
	})
	return perSecond, err
}

// hashes is the ceiling for phases with a password.
func (b *bench) hashes(int) (float64, error) {
	return measureHash(b.world.stored, password, int(hashing/time.Second))
}

// expect returns an error unless the response has the status and sets the cookie, if one is named.
func expect(a answer, err error, status int, cookie string) error {
	if err == nil && (a.status != status || cookie != "" && a.cookies[cookie] == "") {
		err = fmt.Errorf("%d %s, want %d and a cookie %q", a.status, a.location, status, cookie)
	}
	return err
}

// signIn measures a whole sign-in: password, code, and a session check.
func (b *bench) signIn() error {
	err := b.signingIn("sign-in", 0, signers/2, func(c *client, p person) (string, error) {
		a, err := c.post("/sign-in", p.device, "email="+p.address+"&password="+password)
		if err = expect(a, err, 303, "sign-in"); err != nil {
			return "", err
		}
		a, err = c.post("/sign-in/2fa", p.device+"; sign-in="+a.cookies["sign-in"], "code="+p.code(otp.Default.Step(time.Now())))
		return a.cookies["session"], expect(a, err, 303, "session")
	})
	b.signedIn = time.Now()
	return err
}

// trustedSignIn measures sign-ins on a trusted device, with only a password.
func (b *bench) trustedSignIn() error {
	return b.signingIn("trusted-sign-in", signers/2, signers, func(c *client, p person) (string, error) {
		a, err := c.post("/sign-in", p.device+"; trust="+p.trust, "email="+p.address+"&password="+password)
		return a.cookies["session"], expect(a, err, 303, "session")
	})
}

func (b *bench) signingIn(name string, from, to int, in func(*client, person) (session string, err error)) error {
	err := b.paired(name, "1/s", func(int) (float64, error) {
		perSecond, done, err := rate(b.server.host, from, to, hashing, func(c *client, i int) error {
			session, err := in(c, b.world.users[i])
			if err != nil {
				return err
			}
			a, err := c.get("/session", "session="+session)
			return expect(a, err, 200, "")
		})
		from += done
		b.completed += done
		return perSecond, err
	}, b.hashes)
	if err != nil {
		return err
	}
	return analyze(context.Background(), b.database) // there are events only now
}

// each is the number of people per round. It is small because preparing a challenge takes longer than answering it.
const each = 1500

// group returns the people of a round.
func (b *bench) group(round int) (first int, users []person) {
	first = round % groups * each
	return first, b.world.users[signers+first : signers+first+each]
}

// codes returns a code for each person, for an unused time step.
func (b *bench) codes(users []person) []string {
	if b.steps == nil {
		b.steps = map[string]int64{}
	}
	codes := make([]string, len(users))
	for i, p := range users {
		step := max(otp.Default.Step(time.Now()), b.steps[p.id]+1)
		b.steps[p.id], codes[i] = step, "code="+p.code(step)
	}
	return codes
}

// newCodes waits until the authenticators show unused codes.
func (b *bench) newCodes() {
	newest := int64(0)
	for _, step := range b.steps {
		newest = max(newest, step)
	}
	time.Sleep(time.Until(time.Unix(newest*int64(otp.Default.Period), 0)))
}

// secondStep answers waiting challenges: the code is checked and used up, the session created, the event written.
func (b *bench) secondStep() error {
	b.sessions = make([]string, people-signers)
	return b.paired("second-step", "1/s", func(round int) (float64, error) {
		first, users := b.group(round)
		cookies, err := b.world.challenges(context.Background(), users)
		if err != nil {
			return 0, err
		}
		codes := b.codes(users)
		perSecond, done, err := rate(b.server.host, 0, len(users), 20*time.Second, func(c *client, i int) error {
			a, err := c.post("/sign-in/2fa", cookies[i], codes[i])
			b.sessions[first+i] = "session=" + a.cookies["session"]
			return expect(a, err, 303, "session")
		})
		b.completed += done
		return perSecond, err
	}, b.requests)
}

// recoveryCode answers challenges with recovery codes.
func (b *bench) recoveryCode() error {
	return b.paired("recovery-code", "1/s", func(round int) (float64, error) {
		users := b.world.users[signers+round*each : signers+(round+1)*each]
		cookies, err := b.world.challenges(context.Background(), users)
		if err != nil {
			return 0, err
		}
		perSecond, done, err := rate(b.server.host, 0, len(users), 20*time.Second, func(c *client, i int) error {
			a, err := c.post("/sign-in/2fa/recovery", cookies[i], "recovery_code="+users[i].recovery)
			return expect(a, err, 303, "session")
		})
		b.completed += done
		return perSecond, err
	}, b.requests)
}

// sessionCheck checks valid sessions. Each is used once beforehand, because the last use is recorded once a minute.
func (b *bench) sessionCheck() error {
	const living = 1000
	if _, _, err := rate(b.server.host, 0, living, time.Minute, func(c *client, i int) error {
		a, err := c.get("/session", b.sessions[i])
		return expect(a, err, 200, "")
	}); err != nil {
		return err
	}
	return b.paired("session-check", "1/s", func(int) (float64, error) {
		perSecond, _, err := rate(b.server.host, 0, 1<<30, requesting, func(c *client, i int) error {
			a, err := c.get("/session", b.sessions[i%living])
			return expect(a, err, 200, "")
		})
		return perSecond, err
	}, b.requests)
}

// stepUp enters another code in valid sessions.
func (b *bench) stepUp() error {
	b.newCodes()
	return b.paired("step-up", "1/s", func(round int) (float64, error) {
		first, users := b.group(round)
		codes := b.codes(users)
		perSecond, _, err := rate(b.server.host, 0, len(users), 20*time.Second, func(c *client, i int) error {
			a, err := c.post("/step-up", b.sessions[first+i], codes[i])
			b.sessions[first+i] = "session=" + a.cookies["session"]
			return expect(a, err, 303, "session")
		})
		return perSecond, err
	}, b.requests)
}

// accountPage opens the lists of a user with many devices and sessions.
func (b *bench) accountPage() error {
	cookie, err := b.world.crowd(context.Background(), b.world.users[people-1])
	if err != nil {
		return err
	}
	return b.paired("account-page", "1/s", func(int) (float64, error) {
		perSecond, _, err := rate(b.server.host, 0, 1<<30, requesting, func(c *client, i int) error {
			path := "/account/sessions"
			if i%2 == 0 {
				path = "/account/trusted-devices"
			}
			a, err := c.get(path, cookie)
			return expect(a, err, 200, "")
		})
		return perSecond, err
	}, b.requests)
}
