package sallyport

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// DeviceCode is a request of a device without a browser, which waits for a person to confirm it in theirs (RFC 8628).
type DeviceCode struct {
	Workspace string
	ID        string
	App       string
	Hash      []byte // of the device's secret
	UserCode  string // keyed hash of the code that people type
	Scopes    []string
	State     string
	User      string // who answered
	Grant     string // id of the grant, once it was allowed
	PolledAt  time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
}

// States of a DeviceCode.
const (
	deviceWaits   = "waiting"
	deviceAllowed = "allowed"
	deviceRefused = "refused"
)

// Limits of device codes.
const (
	DeviceCodeLimit = 10 * time.Minute
	DevicePoll      = 5 * time.Second // a device may ask once in this time
)

// DeviceCodeTx is the storage of device codes.
type DeviceCodeTx interface {
	// InsertDeviceCode inserts a device code. A user code that waits already is ErrDuplicate.
	InsertDeviceCode(DeviceCode) error
	// TakeDeviceCode locks a device code by its id until the end of the transaction.
	TakeDeviceCode(workspace, id string) (DeviceCode, bool, error)
	// DeviceCode returns a device code by the keyed hash of what people type, and a budget without locking it, in one round
	// trip.
	DeviceCode(workspace, userCode string, of Tries) (DeviceCode, Tries, bool, error)
	// AnswerDeviceCode saves the answer of a person. Of several, one returns true.
	AnswerDeviceCode(DeviceCode) (bool, error)
	// PollDeviceCode saves when the device last asked, or deletes the row once it has been used.
	PollDeviceCode(d DeviceCode, used bool) error
}

// Outcomes of device codes.
var (
	errPending     = refusal("authorization_pending", text.Say("The person has not answered yet. Ask again in a few seconds."))
	errSlowDown    = refusal("slow_down", text.Say("The device asks too often. Wait 5 seconds longer each time."))
	errExpired     = refusal("expired_token", text.Say("The device code has expired. Start again."))
	errDeviceNo    = refusal("access_denied", text.Say("The person refused, or may not use this app."))
	ErrDeviceCode  = invalid("user_code", "user_code_wrong", text.Say("This code is not right, was used already, or has expired. Compare it with the one on the device, or start again there."))
	ErrDeviceLimit = &Error{Kind: TooMany, Code: "too_many_tries", Text: text.Say("There were too many wrong codes. Try again later."), Field: "user_code"}
	ErrDeviceApp   = &Error{Kind: Denied, Code: "app_refused", Text: text.Say("You may not use this app. If you need it, ask an administrator.")}
)

var deviceRule = throttle.Rule{Limit: 10, Window: 15 * time.Minute}

// deviceLetters are the letters of codes that people type: no vowels, so that no words arise (RFC 8628 section 6.1).
const deviceLetters = "BCDFGHJKLMNPQRSTVWXZ"

func newUserCode() string {
	var b strings.Builder
	for i := range 8 {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(deviceLetters)))) // it never fails
		if i == 4 {
			b.WriteByte('-')
		}
		b.WriteByte(deviceLetters[n.Int64()])
	}
	return b.String()
}

// userCode returns what is stored for a code as a person typed it, or "" if it cannot be one.
func (s *Service) userCode(typed string) string {
	code := strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' {
			return -1
		}
		return c
	}, strings.ToUpper(typed))
	if len(code) != 8 || strings.Trim(code, deviceLetters) != "" {
		return ""
	}
	return s.Keys.Name("device code\x00" + code)
}

// StartDevice begins the sign-in of a device.
func (s *Service) StartDevice(ctx context.Context, by Caller, c ClientCredentials, scope string) (device, user Secret, err error) {
	err = s.asClient(ctx, by, c, func(tx Tx, app App) error {
		if err := s.countRequest(tx, by); err != nil {
			return err
		}
		now := s.Now()
		d := DeviceCode{Workspace: app.Workspace, ID: newID(prefixDeviceCode, now), App: app.ID, State: deviceWaits, CreatedAt: now, ExpiresAt: now.Add(DeviceCodeLimit)}
		if d.Scopes = grantedScopes(scope); !app.Client.Refresh {
			d.Scopes = slices.DeleteFunc(d.Scopes, func(scope string) bool { return scope == scopeOffline })
		}
		device, d.Hash = newToken("", d.ID)
		user = Secret(newUserCode())
		d.UserCode = s.userCode(user.Reveal())
		return tx.InsertDeviceCode(d)
	})
	return device, user, err
}

// DeviceAsked returns the app that waits for a code, and what it would learn. Wrong codes are counted.
func (s *Service) DeviceAsked(ctx context.Context, by Caller, typed string) (app App, scopes []string, err error) {
	err = s.act(ctx, by, access{coded: true}, func(tx Tx, me *actor) error {
		d, err := s.typedDevice(tx, me, typed)
		if err != nil {
			return err
		}
		scopes = d.Scopes
		app, err = s.deviceApp(tx, d)
		return err
	})
	return app, scopes, err
}

func (s *Service) deviceApp(tx Tx, d DeviceCode) (App, error) {
	app, found, err := tx.ClientApp(d.Workspace, d.App)
	if err == nil && (!found || app.Client == nil || !app.Enabled) {
		err = ErrDeviceCode
	}
	return app, err
}

// typedDevice returns the device code that a person typed, and counts a wrong one.
func (s *Service) typedDevice(tx Tx, me *actor, typed string) (d DeviceCode, err error) {
	of := []budget{{Tries{Workspace: me.Workspace, Subject: me.ID, Bucket: "device"}, deviceRule}}
	code := s.userCode(typed)
	if code == "" {
		return d, ErrDeviceCode
	}
	d, tries, found, err := tx.DeviceCode(me.Workspace, code, of[0].Tries)
	if err != nil {
		return d, err
	}
	if wait := deviceRule.Wait(tries.AsOf(me.now), me.now); wait > 0 {
		return d, ErrDeviceLimit.waiting(wait)
	}
	if found && d.State == deviceWaits && lifetime.Until(d.ExpiresAt, DeviceCodeLimit, me.now) {
		return d, nil
	}
	_, err = s.charge(tx, of, ErrDeviceLimit)
	return d, errOr(err, commit(ErrDeviceCode))
}

// AnswerDevice allows or refuses the sign-in of a device that waits for a code.
func (s *Service) AnswerDevice(ctx context.Context, by Caller, typed string, allow bool) error {
	return s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		d, err := s.typedDevice(tx, me, typed)
		if err != nil {
			return err
		}
		app, err := s.deviceApp(tx, d)
		if err != nil {
			return err
		}
		by := by.about(app.ID)
		d.User, d.State = me.ID, deviceRefused
		if allow {
			may, err := tx.MayUse(app, me.ID)
			if err != nil {
				return err
			}
			if !may {
				return errOr(s.record(tx, by, "app.refused", me.ID, Refused, nil), commit(ErrDeviceApp))
			}
			if err := app.Demand().Judge(me.User, me.session.Proofs, me.now); err != nil {
				return err
			}
			g := newGrant(app, me.User, me.now)
			g.Session, g.Proofs, g.Scopes, g.ExpiresAt = me.session.ID, me.session.Proofs, d.Scopes, d.ExpiresAt.Add(AccessTokenLimit)
			if err := tx.InsertGrant(g); err != nil {
				return err
			}
			d.State, d.Grant = deviceAllowed, g.ID
		}
		if first, err := tx.AnswerDeviceCode(d); err != nil || !first {
			return errOr(err, ErrDeviceCode)
		}
		if !allow {
			return s.record(tx, by, "app.device_refused", me.ID, Done, nil)
		}
		return s.record(tx, by, "app.device_allowed", me.ID, Done, nil)
	})
}

// redeemDevice issues tokens to a device whose person has allowed it.
func (s *Service) redeemDevice(tx Tx, by Caller, app App, r TokenRequest) (i issue, err error) {
	_, id, hash, ok := parseToken(r.DeviceCode, prefixDeviceCode)
	if !ok {
		return i, ErrGrant
	}
	d, found, err := tx.TakeDeviceCode(by.workspace.ID, id)
	if err != nil {
		return i, err
	}
	now := s.Now()
	switch {
	case !found, d.App != app.ID, subtle.ConstantTimeCompare(d.Hash, hash) != 1:
		return i, ErrGrant
	case !lifetime.Until(d.ExpiresAt, DeviceCodeLimit, now):
		return i, errExpired
	case d.State == deviceRefused:
		return i, errOr(tx.PollDeviceCode(d, true), errDeviceNo)
	case d.State == deviceWaits:
		outcome := errPending
		if lifetime.Within(d.PolledAt, DevicePoll, now) {
			outcome = errSlowDown
		}
		d.PolledAt = now
		return i, errOr(tx.PollDeviceCode(d, false), outcome)
	}
	u, found, err := tx.LockUser(d.Workspace, d.User)
	if err != nil || !found {
		return i, errOr(err, errDeviceNo)
	}
	g, ses, found, err := tx.Grant(d.Workspace, d.User, d.Grant)
	if err != nil || !found {
		return i, errOr(err, errDeviceNo)
	}
	err = s.stillGranted(tx, by, app, g, u, now)
	if err == nil && (!ses.genuineFor(u, now) || !g.Redeemed.IsZero()) {
		err = errNoLonger
	}
	if errors.Is(err, ErrGrant) {
		err = errDeviceNo
	}
	if err != nil {
		return i, err
	}
	if err := tx.PollDeviceCode(d, true); err != nil {
		return i, err
	}
	g.Redeemed = now
	return s.issue(tx, by, app, g, u, g.Session)
}
