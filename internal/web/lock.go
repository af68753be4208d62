package web

import (
	"html/template"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// lockReasons say why people are locked, in lists and events.
var lockReasons = map[sallyport.Lock]text.Message{
	sallyport.LockPassword:           text.Say("after wrong passwords"),
	sallyport.LockPassword.OfKnown(): text.Say("after wrong passwords in a known browser"),
	sallyport.LockCode:               text.Say("after wrong codes"),
	sallyport.LockCode.OfKnown():     text.Say("after wrong codes in a known browser"),
	sallyport.LockRecovery:           text.Say("after wrong recovery codes"),
	sallyport.LockRecovery.OfKnown(): text.Say("after wrong recovery codes in a known browser"),
	sallyport.LockSetUpCode:          text.Say("after wrong set-up codes"),
	sallyport.LockAuthenticator:      text.Say("after 50 wrong codes in a row"),
	sallyport.LockClock:              text.Say("after the server's clock was set back"),
	sallyport.LockUsedCodes:          text.Say("after the server's clock was set back"),
}

// lockWords says what is refused to a locked person, and until when.
func lockWords(u sallyport.User) text.Message {
	until := u.LockedUntil.UTC()
	switch u.LockedBy {
	case sallyport.LockPassword:
		return text.Say("There were too many wrong passwords. Sign-in from new browsers is refused until {until}. Browsers that this person has used before still work.", "until", until)
	case sallyport.LockPassword.OfKnown():
		return text.Say("There were too many wrong passwords in a browser that this person has used before. Sign-in from that browser is refused until {until}.", "until", until)
	case sallyport.LockCode:
		if u.LockedForGood() {
			return text.Say("There were 10 wrong codes. Codes from new browsers are refused until an administrator unlocks this person. Browsers that this person has used before still work.")
		}
		return text.Say("There were several wrong codes. Codes from new browsers are refused until {until}. Browsers that this person has used before still work.", "until", until)
	case sallyport.LockCode.OfKnown():
		return text.Say("There were too many wrong codes in a browser that this person has used before. Codes from that browser are refused until {until}.", "until", until)
	case sallyport.LockRecovery:
		return text.Say("There were too many wrong recovery codes. Recovery codes from new browsers are refused until {until}.", "until", until)
	case sallyport.LockRecovery.OfKnown():
		return text.Say("There were too many wrong recovery codes in a browser that this person has used before. Recovery codes from that browser are refused until {until}.", "until", until)
	case sallyport.LockSetUpCode:
		return text.Say("There were too many wrong set-up codes. Set-up codes are refused until {until}.", "until", until)
	case sallyport.LockUsedCodes:
		return text.Say("The clock of this server was set back, and this person had used many codes before. Codes up to {until} are refused, and unlocking does not help. They can sign in with a recovery code, or you can reset two-factor authentication for them.", "until", until)
	case sallyport.LockAuthenticator:
		return text.Say("There were 50 wrong codes in a row. Codes are refused until this person sets up two-factor authentication again. Reset it for them.")
	}
	return text.Say("The clock of this server was set back. Codes up to {until} count as used. Check the clock, then unlock this person.", "until", until)
}

// lockHint says in a list why a person is locked and until when. It is empty for people who are not locked.
func (s *site) lockHint(u sallyport.User) template.HTML {
	if u.StateAt(s.service.Now()) != sallyport.Locked {
		return ""
	}
	why := lockReasons[u.LockedBy]
	if !u.LockedForGood() {
		why = text.Say("{reason}, until {until}", "reason", why, "until", s.shortTime(u.LockedUntil))
	}
	return ` <span class="sub">` + s.lang.HTML(why) + `</span>`
}
