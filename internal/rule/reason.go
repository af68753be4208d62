package rule

import "github.com/sallyport-2fa/sallyport/internal/text"

// Reason says why a path is refused, or what a rule did with a request.
type Reason uint8

// Why a path is not a path.
const (
	NotPath Reason = iota + 1
	BrokenEncoding
)

// Why programs could read a path differently.
const (
	EncodedSlash Reason = iota + 10
	EncodedTwice
	Backslash
	EmptySegment
	HiddenDots
	Control
	NotUTF8
	Parameter // one that some programs cut off, so that a rule matches for them and not for others
)

// What a rule did with a request.
const (
	Matched Reason = iota + 30
	OtherPath
	OtherMethod
	NotReached // an earlier rule decided, or the path was refused
	SetAside   // an only rule, because programs could read the path differently
)

var reasons = map[Reason]text.Message{
	NotPath:        text.Say("The address does not begin with a slash."),
	BrokenEncoding: text.Say("The path contains % without two hexadecimal digits after it. A percent sign itself is written %25."),
	EncodedSlash:   text.Say("The path contains %2F, which some programs read as a slash and others as part of a name."),
	EncodedTwice:   text.Say("The path contains %25 before two hexadecimal digits, which some programs decode twice."),
	Backslash:      text.Say("The path contains a backslash, which some programs read as a slash."),
	EmptySegment:   text.Say("The path contains two slashes with no name between them, which some programs read as one slash."),
	HiddenDots:     text.Say("The path contains . or .. between slashes, together with %2E, a semicolon, a question mark or a number sign. Programs resolve this differently."),
	Control:        text.Say("The path contains a control character or a space that is not encoded. Some programs end the path there."),
	NotUTF8:        text.Say("The path is not valid UTF-8, so programs read different characters."),
	Parameter:      text.Say("The path contains a semicolon, an encoded question mark or a number sign. Some programs cut off what follows, and this rule applies only for some of them."),
	Matched:        text.Say("Path and method match, so this rule applies."),
	OtherPath:      text.Say("The path does not match."),
	OtherMethod:    text.Say("The path matches, but the rule is for other methods."),
	NotReached:     text.Say("Not compared."),
	SetAside:       text.Say("Programs could read the path differently. The only rule of an app never matches such a path."),
}

// Text says it in words.
func (r Reason) Text() text.Message { return reasons[r] }
