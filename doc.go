// Package sallyport contains the rules of two-factor sign-in. It knows nothing of pages, SQL or networks.
//
// It is the program's own, not a library: no other module can construct a [Service]. Apps use the program over HTTP.
//
// # Words
//
// A [Workspace] is a company with its own people, policy and audit log, on its own host name. A [User] is someone with
// an account in one workspace. An [Authenticator] is an app that generates 6-digit codes. A [Passkey] is kept by a device or a
// security key, and signs a challenge. A recovery code replaces either once. A trusted device needs no code for some days. A
// [Policy] is what a workspace requires. An [App] is a program that relies on a workspace to know who its people are, and a
// [Group] of people may decide who uses it. An [Event] is a line of the audit log.
//
// # The life of a sign-in
//
//	password ──> SignIn row ──> next() ──> a step's page ──> its answer ──> next() ──> ... ──> finish() ──> Session row
//
// [Service.SignIn] checks a password and creates a [SignIn]. From then on a pure function, next, decides which step comes
// next, from what the sign-in has proved and what the policy requires. Pages post their answers ([Service.AnswerCode],
// [Service.ConfirmSetUp]) and go where the [SignInResult] says; no step chooses its successor. Every way to sign in ends in one
// function, finish, which creates the session. A session that began with a recovery code is restricted
// ([Session.Restricted]) until an authenticator has produced a code.
//
// What a browser keeps (a session, a sign-in, trust, a mailed link) is a [Secret]: 256 random bits and the ids to look it
// up. The database stores its SHA-256. It is valid only while it has the current epoch of its user. Raising the epoch ends
// everything at once, except what the verb explicitly moves to the new epoch, such as the current session.
//
// # Who calls what
//
// A door (the pages in internal/web, commands in cmd/sallyport) gets a [Caller] from the [Service] and passes it to one
// verb per request. The verb opens a transaction of the [Store], locks the user's row, reads the session again, decides,
// writes, and records the [Event] in the same transaction. The arithmetic of decisions is in pure functions: methods of
// [Policy] and [Requirement], and package internal/throttle. What may happen only once is one conditional
// UPDATE, and the number of changed rows decides.
//
// Outcomes that users may see are [*Error] values with a stable code. Every other error is a fault, and denies. An outcome
// that must be recorded, such as a wrong code, is committed before it is returned.
//
// # Apps
//
// What an app requires of everyone who opens it is a [Demand]. Demand.Judge compares it with the proofs of a session, and says
// what is missing: a step-up, or a second factor to set up. Two doors serve apps. internal/oidc is for apps with single
// sign-on: [Service.Authorize] judges a request and issues a code, [Service.Token] exchanges it. internal/proxyauth is for apps
// that know nothing: a proxy asks [Service.Pass] about each request, and a browser gets there with a [Ticket]. Both judge the
// session, the person and the app again each time, so whatever ends one of them ends what the app was given.
//
// # Tries
//
// Every password, code and recovery code uses up a budget in the database: one that all unknown clients of the user share,
// or one of a known device ([KnownDevice]) of that user, which strangers cannot use up. The try of a password is committed
// before its hash is computed, that of a code in the transaction that checks it.
//
// # Mail
//
// The e-mail about an event is queued in the outbox, in the event's transaction (notify.go). Package
// internal/letter has the wording. Package internal/background sends the e-mail from any node, under a lease, until the
// mail server accepts it or three days have passed.
//
// # Keys
//
// Secrets that must be readable again (authenticator keys, waiting e-mails) are sealed with a keyset outside the database,
// each bound to its row. Without the right keyset nothing starts.
package sallyport
