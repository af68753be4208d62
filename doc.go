// Package sallyport is two-factor sign-in: the rules, and nothing of pages, SQL or networks.
//
// # Words
//
// A [Workspace] is a company with its own people, policy and audit log, on its own host name. A [User] is someone with
// an account in one workspace. An [Authenticator] is an app that makes 6-digit codes; a recovery code stands in for it;
// a trusted device need not give a code for some days. A [Policy] is what a workspace requires. An [Event] is a line of
// the audit log.
//
// # The life of a sign-in
//
//	password ──> SignIn row ──> next() ──> a step's page ──> its answer ──> next() ──> ... ──> finish() ──> Session row
//
// [Service.SignIn] checks a password and makes a [SignIn]. From there on one pure function, next, decides what the
// sign-in asks for, from what it has proved and what the policy wants; pages post their answers ([Service.AnswerCode],
// [Service.ConfirmSetUp]) and go where the [Passage] says. Steps never lead to each other. At the end one function,
// finish, makes the session; every way in ends there. A session that began with a recovery code is restricted
// ([Session.Restricted]) until an authenticator has given a code.
//
// What a browser holds (a session, a sign-in, trust, a mailed link) is a [Secret] of 256 random bits beside the ids it
// is looked up by. The database keeps its SHA-256. It lives while it carries its user's epoch: raising the epoch ends
// everything at once, and what is in hand is moved over.
//
// # Who calls what
//
// A door (the pages in internal/web, commands in cmd/sallyport) asks the [Service] for a [Caller] and passes it to one
// verb a request. The verb opens a transaction of the [Store], takes the user's row, reads the session again, judges
// (policy.go, throttle.go: pure functions), writes, and records the [Event] in the same transaction. What may happen
// once is one conditional UPDATE, and the number of rows is the verdict.
//
// Outcomes that a person may see are [*Error] with a stable code; every other error is a fault and denies. An outcome
// that must be remembered, such as a wrong code, is committed before it is returned.
//
// # Tries
//
// Every password, code and recovery code draws on a budget in the database: of its user over all unknown clients, or
// of one known device ([Browser]) of that user, which nothing a stranger does can block. A password's try is committed
// before its hash is computed; a code's in the transaction that judges it.
//
// # Mail
//
// The notice that follows an event is a row of the outbox, in the event's transaction (notice.go has the words of all).
// [Service.Run] sends it from any node, under a lease, until it is taken or three days are over (outbox.go).
//
// # Keys
//
// Secrets that must come back (authenticator keys, waiting mail) are sealed under a keyset outside the database, each
// bound to its row. Without the right keyset nothing starts.
package sallyport
