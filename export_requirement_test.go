package sallyport

import "time"

// Replacing and Tightens let tests check decisions without a database.
func (r Requirement) Replacing(old Requirement, version int64, now time.Time) Requirement {
	return r.replacing(old, version, now)
}

func (r Requirement) Tightens(old Requirement, now time.Time) []Role { return r.tightens(old, now) }
