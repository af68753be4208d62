package sallyporttest

import "time"

// BePatientFor shortens the time limit for tests of methods that fail.
func (b *Browser) BePatientFor(d time.Duration) { b.patience = d }
