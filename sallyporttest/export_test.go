package sallyporttest

import "time"

// BePatientFor lets a test of a verb that fails wait less long for it.
func (b *Browser) BePatientFor(d time.Duration) { b.patience = d }
