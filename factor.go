package sallyport

import (
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// codeDigits is the length of an authenticator's code.
const codeDigits = 6

// answer is what a person typed as a second factor: the code of an authenticator or a recovery code. Its format decides
// which, whatever field it was typed into.
type answer struct {
	digits   string
	recovery string
}

// readAnswer parses an answer. Anything with letters counts as an attempt to enter a recovery code.
func readAnswer(input string) (answer, error) {
	if digits, ok := otp.Normalise(input); ok {
		return answer{digits: digits}, nil
	}
	if code, ok := parseRecovery(input); ok {
		return answer{recovery: code}, nil
	}
	if severalCodes(input) {
		return answer{}, ErrOneCode
	}
	if strings.ContainsFunc(input, isLetter) {
		return answer{}, ErrAnswerMalformed
	}
	return answer{}, ErrCodeMalformed
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// checkAnswer checks a second factor of the user, whose row is locked, and returns which it was. If there is a sign-in,
// it counts its wrong codes.
func (s *Service) checkAnswer(tx Tx, by Caller, u *User, a answer, si *SignIn) (Method, error) {
	if a.recovery != "" {
		return ByRecoveryCode, s.useRecoveryCode(tx, by, u, a.recovery)
	}
	rows, all, known, err := s.judging(tx, by, *u, si)
	if err != nil {
		return "", err
	}
	wrong := 0
	if si != nil {
		wrong = si.Wrong
	}
	t := s.codeTries(by, newBudgets(*u, rows, s.Now()), known)
	if err := s.checkCode(tx, by, *u, all, t, a.digits, si); err != nil {
		return "", err
	}
	return ByAuthenticator, s.forgiveCodes(tx, by, *u, t, wrong)
}

// severalCodes reports whether a person pasted a list of codes: browsers join the lines that are pasted into a one-line
// field.
func severalCodes(input string) bool {
	if len(input) > MaxRecoveryCodes*maxRecovery {
		return false
	}
	codes, ok := recoveryCharacters(input)
	n := len(codes)
	digits := ok && strings.Trim(codes, "0123456789") == ""
	return ok && (n > recoveryLength && n%recoveryLength == 0 || digits && n > codeDigits && n%codeDigits == 0)
}
