package web

import (
	"net/http"
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/letter"
)

// access says who may reach a route. The Service also checks everything that a route does.
type access string

const (
	anyone    access = "anyone"    // signed in or not
	signingIn access = "signingIn" // in the middle of a sign-in, which the Service checks
	setUp     access = "setUp"     // signed in, even if two-factor authentication must be set up first
	signedIn  access = "signedIn"  // signed in
	managers  access = "managers"  // signed in with a role that may see people, and not idle for an hour
	admins    access = "admins"    // the same for owners and admins only
	outside   access = "outside"   // before there is a workspace
)

type route struct {
	method, path string
	access       access
	handle       handler
}

// Route is one line of the route table.
type Route struct{ Method, Path, Access string }

// Routes returns the route table, for tests that check something on every page.
func Routes() (all []Route) {
	for _, r := range (&site{}).routes() {
		all = append(all, Route{r.method, r.path, string(r.access)})
	}
	return all
}

// routes is the route table: all pages.
func (s *site) routes() []route {
	return slices.Concat(s.doorRoutes(), s.accountRoutes(), s.twoFactorRoutes(), s.peopleRoutes(), s.groupRoutes(), s.appRoutes(), s.policyRoutes(),
		s.logRoutes(), s.entryRoutes(), s.helpRoutes())
}

// Paths returns where the pages are that e-mails link to.
func Paths() letter.Paths {
	return letter.Paths{
		letter.TwoFactor:      "/account/2fa",
		letter.RecoveryCodes:  recoveryCodesPath,
		letter.TrustedDevices: trustedDevicesPath,
		letter.Activity:       activityPath,
		letter.AuditLog:       auditPath,
		letter.SignIn:         "/sign-in",
		letter.Reset:          "/reset/",
		letter.Invitation:     "/invitation/",
		letter.ConfirmEmail:   "/email/",
		letter.UndoEmail:      "/email/undo/",
	}
}

// doorRoutes are for signing in and out.
func (s *site) doorRoutes() []route {
	return []route{
		{"GET", "/{$}", anyone, s.start},
		{"GET", "/session", anyone, s.sessionJSON},

		{"GET", "/first-run/{token}", outside, s.firstRun},
		{"POST", "/first-run/{token}", outside, s.firstRunPost},

		{"GET", "/sign-in", anyone, s.signIn},
		{"POST", "/sign-in", anyone, s.signInPost},
		{"GET", "/sign-in/password", signingIn, s.choosePassword},
		{"POST", "/sign-in/password", signingIn, s.choosePasswordPost},
		{"GET", "/sign-in/2fa", signingIn, s.challenge(askCode)},
		{"POST", "/sign-in/2fa", signingIn, s.challengePost(askCode)},
		{"GET", approvePath, signingIn, s.awaitApproval},
		{"POST", approvePath, signingIn, s.askApproval},
		{"GET", approvePath + "/wait", signingIn, s.waitForApproval},
		{"GET", "/sign-in/2fa/recovery", signingIn, s.challenge(askRecovery)},
		{"POST", "/sign-in/2fa/recovery", signingIn, s.challengePost(askRecovery)},
		{"GET", "/sign-in/set-up", signingIn, s.setUp},
		{"POST", "/sign-in/set-up", signingIn, s.setUpPost},
		{"GET", "/sign-in/set-up/passkey", signingIn, s.newPasskey},
		{"POST", "/sign-in/set-up/passkey", signingIn, s.newPasskeyPost},
		{"GET", "/sign-in/set-up/recovery-codes.txt", signingIn, s.recoveryCodesFile},
		{"GET", signOutPath, signingIn, s.signOut},
		{"POST", signOutPath, signingIn, s.signOutPost},
		{"GET", continuePath, anyone, s.continueToApp},
		{"POST", continuePath, anyone, s.continueToAppPost},
		{"GET", devicePath, signedIn, s.deviceCode},
		{"POST", devicePath, signedIn, s.deviceCodePost},
		{"GET", "/step-up", setUp, s.stepUp},
		{"POST", "/step-up", setUp, s.stepUpPost},

		{"GET", "/forgot", anyone, s.forgot},
		{"POST", "/forgot", anyone, s.forgotPost},
		{"GET", "/reset/{token}", anyone, s.reset},
		{"POST", "/reset/{token}", anyone, s.resetPost},
		{"GET", "/invitation/{token}", anyone, s.invitation},
		{"POST", "/invitation/{token}", anyone, s.invitationPost},
		{"GET", "/email/{token}", anyone, s.confirmEmail},
		{"POST", "/email/{token}", anyone, s.confirmEmailPost},
		{"GET", "/email/undo/{token}", anyone, s.undoEmail},
		{"POST", "/email/undo/{token}", anyone, s.undoEmailPost},
	}
}

// accountRoutes are a person's own pages.
func (s *site) accountRoutes() []route {
	return []route{
		{"GET", "/account", signedIn, s.account},
		{"POST", "/account", signedIn, s.accountPost},
		{"GET", "/account/password", signedIn, s.password},
		{"POST", "/account/password", signedIn, s.passwordPost},
		{"GET", "/account/email", signedIn, s.email},
		{"POST", "/account/email", signedIn, s.emailPost},
		{"GET", "/account/sessions", signedIn, s.sessions},
		{"GET", "/account/sessions/{id}/end", signedIn, s.endSession},
		{"POST", "/account/sessions/{id}/end", signedIn, s.endSessionPost},
		{"GET", "/account/sessions/end-others", signedIn, s.endOtherSessions},
		{"POST", "/account/sessions/end-others", signedIn, s.endOtherSessionsPost},
		{"GET", "/account/activity", signedIn, s.activity},
		{"GET", approvalsPath, signedIn, s.approvals},
		{"GET", approvalsWaitPath, signedIn, s.waitUntilAsked},
		{"POST", approvalsPath + "/{id}", signedIn, s.approvalPost},
	}
}

// twoFactorRoutes are the pages about a person's own second factors.
func (s *site) twoFactorRoutes() []route {
	return []route{
		{"GET", "/account/2fa", signedIn, s.twoFactor},
		{"GET", afterRecoveryPath, signedIn, s.afterRecovery},
		{"GET", "/account/2fa/set-up", setUp, s.setUp},
		{"POST", "/account/2fa/set-up", setUp, s.setUpPost},
		{"GET", "/account/2fa/change", signedIn, s.setUp},
		{"POST", "/account/2fa/change", signedIn, s.setUpPost},
		{"GET", "/account/2fa/disable", signedIn, s.disable},
		{"POST", "/account/2fa/disable", signedIn, s.disablePost},
		{"GET", newPasskeyPath, setUp, s.newPasskey},
		{"POST", newPasskeyPath, setUp, s.newPasskeyPost},
		{"GET", "/account/2fa/passkeys/{id}/rename", signedIn, s.renamePasskey},
		{"POST", "/account/2fa/passkeys/{id}/rename", signedIn, s.renamePasskeyPost},
		{"GET", "/account/2fa/passkeys/{id}/remove", signedIn, s.removePasskey},
		{"POST", "/account/2fa/passkeys/{id}/remove", signedIn, s.removePasskeyPost},
		{"GET", "/account/2fa/authenticators/{id}/rename", signedIn, s.renameAuthenticator},
		{"POST", "/account/2fa/authenticators/{id}/rename", signedIn, s.renameAuthenticatorPost},
		{"GET", "/account/2fa/authenticators/{id}/remove", signedIn, s.removeAuthenticator},
		{"POST", "/account/2fa/authenticators/{id}/remove", signedIn, s.removeAuthenticatorPost},
		{"GET", "/account/2fa/recovery-codes", signedIn, s.recoveryCodes},
		{"POST", "/account/2fa/recovery-codes", signedIn, s.recoveryCodesPost},
		{"GET", "/account/2fa/recovery-codes.txt", signedIn, s.recoveryCodesFile},
		{"GET", "/account/2fa/recovery-codes/regenerate", signedIn, s.regenerate},
		{"POST", "/account/2fa/recovery-codes/regenerate", signedIn, s.regeneratePost},
		{"GET", "/account/trusted-devices", signedIn, s.trustedDevices},
		{"GET", "/account/trusted-devices/{id}/remove", signedIn, s.removeTrusted},
		{"POST", "/account/trusted-devices/{id}/remove", signedIn, s.removeTrustedPost},
		{"GET", "/account/trusted-devices/remove-all", signedIn, s.removeAllTrusted},
		{"POST", "/account/trusted-devices/remove-all", signedIn, s.removeAllTrustedPost},
	}
}

// peopleRoutes are the pages on which administrators see and manage people.
func (s *site) peopleRoutes() []route {
	all := []route{
		{"GET", overviewPath, managers, s.overview},
		{"GET", remindersPath, admins, s.reminders},
		{"POST", remindersPath, admins, s.remindersPost},
		{"POST", firstStepsPath, admins, s.firstStepsPost},
		{"GET", "/admin/users", managers, s.users},
		{"GET", "/admin/users.csv", managers, s.usersCSV},
		{"GET", "/admin/users/new", admins, s.newUser},
		{"POST", "/admin/users/new", admins, s.newUserPost},
		{"GET", "/admin/users/new/several", admins, s.newUsers},
		{"POST", "/admin/users/new/several", admins, s.newUsersPost},
		{"GET", "/admin/users/{id}", managers, s.user},
		{"POST", "/admin/users/{id}", admins, s.userPost},
		{"GET", "/admin/users/{id}/security", managers, s.userSecurity},
		{"GET", "/admin/users/{id}/edit", admins, s.editUser},
		{"POST", "/admin/users/{id}/edit", admins, s.editUserPost},
		{"GET", "/admin/users/{id}/sessions/{session}/end", admins, s.endSessionOf},
		{"POST", "/admin/users/{id}/sessions/{session}/end", admins, s.endSessionOfPost},
		{"GET", "/admin/users/{id}/trusted-devices/{device}/remove", admins, s.removeTrustedOf},
		{"POST", "/admin/users/{id}/trusted-devices/{device}/remove", admins, s.removeTrustedOfPost},
		{"GET", "/admin/users/{id}/reset-2fa", admins, s.resetTwoFactor},
		{"POST", "/admin/users/{id}/reset-2fa", admins, s.resetTwoFactorPost},
		{"GET", "/admin/users/{id}/reset-password", admins, s.passwordLink},
		{"POST", "/admin/users/{id}/reset-password", admins, s.passwordLinkPost},
	}
	for _, a := range personActions {
		all = append(all,
			route{"GET", "/admin/users/{id}/" + a.path, admins, s.confirmOn(a)},
			route{"POST", "/admin/users/{id}/" + a.path, admins, s.actOn(a)})
	}
	for _, a := range bulkActions {
		all = append(all,
			route{"GET", bulkPath + string(a.action), admins, s.confirmBulk(a)},
			route{"POST", bulkPath + string(a.action), admins, s.doBulk(a)})
	}
	return all
}

// groupRoutes are the pages on which owners and admins decide who is in which group.
func (s *site) groupRoutes() []route {
	return []route{
		{"GET", groupsPath, admins, s.groups},
		{"GET", groupsPath + "/new", admins, s.newGroup},
		{"POST", groupsPath + "/new", admins, s.newGroupPost},
		{"GET", groupsPath + "/{id}", admins, s.group},
		{"POST", groupsPath + "/{id}", admins, s.groupPost},
		{"GET", groupsPath + "/{id}/add", admins, s.addMember},
		{"POST", groupsPath + "/{id}/add", admins, s.addMemberPost},
		{"GET", groupsPath + "/{id}/remove", admins, s.removeMember},
		{"POST", groupsPath + "/{id}/remove", admins, s.removeMemberPost},
		{"GET", groupsPath + "/{id}/delete", admins, s.deleteGroup},
		{"POST", groupsPath + "/{id}/delete", admins, s.deleteGroupPost},
		{"GET", usersPath + "/{id}/groups", admins, s.userGroups},
	}
}

// appRoutes are the pages from which people open apps, and on which administrators connect them.
func (s *site) appRoutes() []route {
	all := []route{
		{"GET", launcherPath, signedIn, s.launcher},
		{"GET", appsPath, admins, s.apps},
		{"GET", appsPath + "/new", admins, s.newApp},
		{"POST", appsPath + "/new", admins, s.newAppPost},
		{"GET", appsPath + "/{id}", admins, s.app},
		{"POST", appsPath + "/{id}", admins, s.appPost},
		{"GET", appsPath + "/{id}/proxy", admins, s.appProxy},
		{"POST", appsPath + "/{id}/proxy", admins, s.appProxyPost},
		{"GET", appsPath + "/{id}/openid", admins, s.appClient},
		{"POST", appsPath + "/{id}/openid", admins, s.appClientPost},
		{"GET", appsPath + "/{id}/openid/new-secret", admins, s.newSecret},
		{"POST", appsPath + "/{id}/openid/new-secret", admins, s.newSecretPost},
		{"GET", appsPath + "/{id}/openid/disconnect", admins, s.disconnectClient},
		{"POST", appsPath + "/{id}/openid/disconnect", admins, s.disconnectClientPost},
		{"GET", appsPath + "/{id}/openid/{secret}/revoke", admins, s.revokeSecret},
		{"POST", appsPath + "/{id}/openid/{secret}/revoke", admins, s.revokeSecretPost},
		{"GET", appsPath + "/{id}/activity", admins, s.appActivity},
		{"POST", appsPath + "/{id}/test", admins, s.testApp},
	}
	for _, a := range appActions {
		all = append(all,
			route{"GET", appsPath + "/{id}/" + a.path, admins, s.confirmApp(a)},
			route{"POST", appsPath + "/{id}/" + a.path, admins, s.actOnApp(a)})
	}
	return all
}

// policyRoutes are the pages on which owners and admins change settings of the workspace.
func (s *site) policyRoutes() []route {
	return []route{
		{"GET", accessControlPath, admins, s.accessControl},
		{"POST", accessControlPath, admins, s.accessControlPost},
		{"GET", brandPath, admins, s.brand},
		{"POST", brandPath, admins, s.brandPost},
		{"GET", workspacesPath, admins, s.workspaces},
		{"POST", workspacesPath, admins, s.workspacesPost},
	}
}

// logRoutes are the pages that show administrators what happened.
func (s *site) logRoutes() []route {
	return []route{
		{"GET", "/admin/audit", admins, s.audit},
		{"GET", "/admin/audit.csv", admins, s.auditCSV},
		{"GET", "/admin/outbox", admins, s.outbox},
		{"GET", "/admin/outbox/{id}", admins, s.outboxMail},
		{"GET", "/admin/outbox/{id}/send-again", admins, s.sendAgain},
		{"POST", "/admin/outbox/{id}/send-again", admins, s.sendAgainPost},
		{"GET", "/admin/outbox/send-again", admins, s.sendAllAgain},
		{"POST", "/admin/outbox/send-again", admins, s.sendAllAgainPost},
	}
}

// helpRoutes are for everyone, including programs.
func (s *site) helpRoutes() []route {
	return []route{
		{"GET", "/help/2fa", anyone, s.help},
		{"GET", "/.well-known/change-password", anyone, s.changePassword},
		{"GET", "/.well-known/security.txt", anyone, s.securityTxt},
		{"GET", "/.well-known/jwks.json", anyone, s.signingKeys},
	}
}

// mux returns a mux that serves the route table.
func (s *site) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.method+" "+r.path, s.serve(s.enter(r.access, r.handle)))
	}
	mux.Handle("GET /static/{file}", s.serve(s.static))
	return mux
}
