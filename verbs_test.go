package sallyport_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// Verbs that some callers may use although they are not signed in, must set up two-factor authentication first, or
// began with a recovery code. A verb that is in none of these lists must refuse all three, so that opening a new verb
// is a decision.
var (
	// tokenVerbs act for the holder of a link or a sign-in, and check that instead of a session. They are open to all
	// callers, and return an outcome of their own to a caller who has neither.
	tokenVerbs = []string{
		"AcceptInvitation", "AddPasskey", "AnswerCode", "AnswerPasskey", "AskApproval", "AwaitApproval", "Challenge", "ChoosePassword", "Choosing", "ConfirmEmail", "ConfirmSetUp", "Forgot",
		"Invitation", "KeepForm", "MaySetUp", "NewEmail", "NewPasskey", "OldEmail", "Replaceable", "Reset", "ResetPassword", "SaveRecoveryCodes", "SetUp",
		"ShownRecoveryCodes", "SignIn", "AfterSignOut", "AskSignOut", "Authorize", "PendingAuthorization", "ResumeAuthorization", "SignInByPasskey", "SignOut", "StartChange", "StartSetUp", "UndoEmail", "WaitForApproval",
	}
	// clientVerbs act for an app, and check what it proves itself with, or a token that it was issued.
	clientVerbs = []string{"Introspect", "Push", "Revoke", "StartDevice", "Token", "UserInfo"}
	// forcedVerbs are open to a person who must set up two-factor authentication first (I18): proof for the set-up.
	forcedVerbs = []string{"AnswerAuthorization", "Park", "StepUp", "StepUpCode", "StepUpPasskey", "StepUpPassword", "TakeConfirmed"}
	// consoleVerbs are for commands on the host.
	consoleVerbs = []string{"AddUser", "QueueNotice", "RotateSigning", "Users"}
	// publicVerbs answer anyone, with nothing that is about a person.
	publicVerbs = []string{"SigningKeys"}
	// silentVerbs return no error, and nothing that the caller could not know anyway.
	silentVerbs = []string{"Asked", "EnterOptions", "EntryOrigin", "AllowsScripts", "KeptForm", "LeastPassword", "LoginHint", "ParkedFor"}
	// restrictedVerbs are closed to a session that began with a recovery code (I60).
	restrictedVerbs = []string{
		"ChangeApp", "ChangeRole", "Delete", "DeleteApp", "Disable", "DisableApp", "EnableApp", "MayDisable", "MayManageApps", "MayRegenerateRecoveryCodes", "NewClientSecret", "RecoveryCodes", "RegenerateRecoveryCodes",
		"ResetTwoFactor", "RevokeClientSecret", "RevokeInvitation",
	}
)

// TestI18_EveryVerbJudgesItsCaller calls every verb of the Service as a caller who is signed out, as one who must set up
// two-factor authentication first, as one who was suspended, and as one who began with a recovery code.
func TestI18_EveryVerbJudgesItsCaller(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		e.Enrol(&owner, "Owner's")
		restricted, err := withRecoveryCode(e, owner, owner.RecoveryCodes[0])
		e.Check(err)
		forced, suspended := e.Arriving(), e.Arriving()
		for client, address := range map[*sallyporttest.Client]string{forced: "ada@acme.example", suspended: "sam@acme.example"} {
			p := e.Add(address, sallyport.Admin)
			result, err := e.SignIn(ctx, client.By(), p.Address, p.Password)
			e.Check(err)
			client.Keep(result)
		}
		target := e.Add("target@acme.example", sallyport.Member)
		e.Exec(`UPDATE users SET state = 'suspended' WHERE address = 'sam@acme.example'`)
		e.Exec(`UPDATE policies SET require_2fa = 'everyone'`)

		callers := []struct {
			name   string
			client *sallyporttest.Client
			open   [][]string
			want   error
		}{
			{"signed out", e.Arriving(), nil, sallyport.ErrSignedOut},
			{"forced", forced, [][]string{forcedVerbs}, sallyport.ErrSetUpRequired},
			{"suspended", suspended, nil, sallyport.ErrSignedOut},
		}
		for _, c := range callers {
			for _, v := range verbs(e) {
				if inAnyOf(v.name, append(c.open, tokenVerbs, clientVerbs, consoleVerbs, publicVerbs, silentVerbs)...) {
					continue
				}
				if err := v.call(c.client.By(), target.ID); !errors.Is(err, c.want) {
					t.Errorf("%s: %s gives %v, not %v", c.name, v.name, err, c.want)
				}
			}
		}
		e.Exec(`UPDATE policies SET require_2fa = 'optional'`)
		for _, v := range verbs(e) {
			if err := v.call(restricted.By(), target.ID); inAnyOf(v.name, restrictedVerbs) && !errors.Is(err, sallyport.ErrRestricted) {
				t.Errorf("restricted: %s gives %v, not %v", v.name, err, sallyport.ErrRestricted)
			}
		}
	})
}

type verb struct {
	name   string
	method reflect.Value
}

// verbs returns the methods of the Service that take a Caller.
func verbs(e *sallyporttest.Env) (all []verb) {
	service := reflect.ValueOf(e.Service)
	for i := range service.NumMethod() {
		method := service.Method(i)
		for j := range method.Type().NumIn() {
			if method.Type().In(j) == reflect.TypeFor[sallyport.Caller]() {
				all = append(all, verb{service.Type().Method(i).Name, method})
			}
		}
	}
	if len(all) < 60 {
		e.T.Fatalf("the Service has only %d verbs", len(all))
	}
	return all
}

// call calls the verb with well-formed input, and returns its error.
func (v verb) call(by sallyport.Caller, target string) error {
	var in []reflect.Value
	for i := range v.method.Type().NumIn() {
		var value any
		switch p := v.method.Type().In(i); p {
		case reflect.TypeFor[context.Context]():
			value = context.Background()
		case reflect.TypeFor[sallyport.Caller]():
			value = by
		case reflect.TypeFor[string]():
			value = v.text(target)
		case reflect.TypeFor[int]():
			value = 10
		case reflect.TypeFor[sallyport.Role]():
			value = sallyport.Member
		case reflect.TypeFor[sallyport.Action]():
			value = sallyport.SeePeople
		case reflect.TypeFor[sallyport.BulkAction]():
			value = sallyport.BulkSuspend
		case reflect.TypeFor[sallyport.FirstStep]():
			value = sallyport.StepKeyset
		case reflect.TypeFor[[]string]():
			value = []string{target}
		case reflect.TypeFor[[]sallyport.Invitee]():
			value = []sallyport.Invitee{{Address: "new@acme.example", Name: "New"}}
		case reflect.TypeFor[sallyport.Policy]():
			value = by.Policy()
		default:
			in = append(in, reflect.Zero(p))
			continue
		}
		in = append(in, reflect.ValueOf(value))
	}
	for _, out := range v.method.Call(in) {
		if err, ok := out.Interface().(error); ok {
			return err
		}
	}
	return nil
}

// text returns the value for all string parameters of a verb.
func (v verb) text(target string) string {
	switch v.name {
	case "ChangeEmail", "Invite":
		return "new@acme.example"
	case "StepUpCode":
		return "123456"
	case "Approve":
		return "12"
	case "SaveBrand":
		return "#336699"
	}
	return target
}

func inAnyOf(name string, lists ...[]string) bool {
	for _, list := range lists {
		for _, one := range list {
			if one == name {
				return true
			}
		}
	}
	return false
}
