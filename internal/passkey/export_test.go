package passkey

// CheckPublic is checkPublic, for tests.
var CheckPublic = checkPublic
