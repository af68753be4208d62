package background

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// A count is at most a minute old: countAge plus countEvery.
const (
	countEvery = 20 * time.Second
	countAge   = 40 * time.Second
	countSaved = 1000 // workspaces in one transaction
)

// CountAdoption counts the people of every workspace and saves the result for today, in place of any earlier count of
// the day. Run calls it on every node, but only one node counts at a time, and not again within countAge.
func CountAdoption(ctx context.Context, s *sallyport.Service) error {
	now, mine := s.Now(), false
	err := s.Store.Write(ctx, func(tx sallyport.Tx) (err error) {
		mine, err = tx.TakeTurn(sallyport.TurnCount, now, countAge)
		return err
	})
	if err != nil || !mine {
		return err
	}
	var all []sallyport.Adoption
	err = s.Store.Read(ctx, func(tx sallyport.Tx) (err error) { // not in a Write, which would hold up others
		all, err = tx.CountAdoption("")
		return err
	})
	for some := range slices.Chunk(all, countSaved) {
		if err != nil {
			break
		}
		err = s.Store.Write(ctx, func(tx sallyport.Tx) error {
			for _, a := range some {
				a.Day = sallyport.Day(now)
				if err := tx.SaveAdoption(a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}
