// A package needs an assembly file, be it empty, for functions without a body (argon2.go).
