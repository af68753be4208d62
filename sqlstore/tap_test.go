package sqlstore

import "context"

// Tap is called before every statement and every commit. If it returns an error, the database returns that instead.
type Tap func(what string) error

// Tap puts a tap in front of the database. It is called before the store is used.
func (s *Store) Tap(tap Tap) { s.engine = tapped{s.engine, tap} }

// Lost is what the tap is called with after a commit. An error then means that the answer to the commit was lost.
const Lost = "commit, answer lost"

type tapped struct {
	engine
	tap Tap
}

func (e tapped) read(ctx context.Context, fn func(*tx) error) error {
	return e.engine.read(ctx, func(t *tx) error {
		t.on = tappedStatements{t.on, e.tap}
		return fn(t)
	})
}

func (e tapped) write(ctx context.Context, fn func(*tx) error) error {
	err := e.engine.write(ctx, func(t *tx) error {
		t.on = tappedStatements{t.on, e.tap}
		if err := fn(t); err != nil {
			return err
		}
		return e.tap("commit")
	})
	if err == nil {
		err = e.tap(Lost)
	}
	return err
}

type tappedStatements struct {
	statements
	tap Tap
}

func (s tappedStatements) exec(sql string, args []any) error {
	if err := s.tap(sql); err != nil {
		return err
	}
	return s.statements.exec(sql, args)
}

func (s tappedStatements) expect(sql string, args []any) error {
	if err := s.tap(sql); err != nil {
		return err
	}
	return s.statements.expect(sql, args)
}

func (s tappedStatements) ask(sql string, args []any, each func([]cell) error) (version, error) {
	if err := s.tap(sql); err != nil {
		return "", err
	}
	return s.statements.ask(sql, args, each)
}

func (s tappedStatements) affected(sql string, args []any) (int64, error) {
	if err := s.tap(sql); err != nil {
		return 0, err
	}
	return s.statements.affected(sql, args)
}

func (s tappedStatements) query(sql string, args []any, each func([]cell) error) error {
	if err := s.tap(sql); err != nil {
		return err
	}
	return s.statements.query(sql, args, each)
}
