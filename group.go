package sallyport

import "time"

// Group is a named set of people in one workspace. Groups decide who may use which app, and apps learn them.
type Group struct {
	Workspace string
	ID        string
	Name      string
	CreatedAt time.Time
}

// GroupTx is the storage of groups.
type GroupTx interface {
	// Groups returns the groups of a workspace, ordered by name.
	Groups(workspace string) ([]Group, error)
}
