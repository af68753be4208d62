// Go allows functions without a body (argon2.go) only in packages with an assembly file, even an empty one.
