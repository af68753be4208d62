package sallyport

import (
	"cmp"
	"time"
)

// Workspace is a company: its own people, policy, apps and audit log, on its own host name.
type Workspace struct {
	ID        string
	Name      string
	Reseller  string // id of the workspace that created it, or empty
	Resells   bool   // it has created other workspaces
	Brand     string // the workspace's own, or empty: see Issuer
	Colour    string // of its own brand, "#rrggbb" or empty: see BrandColour
	CreatedAt time.Time

	resellerBrand, resellerColour string
}

// Issuer returns the name of the brand that pages, mails and authenticator apps show (SPEC 3.2): the workspace's own
// or, if it has set none, its reseller's. Without either, it is the name of the workspace.
func (w Workspace) Issuer() string { return cmp.Or(w.Brand, w.resellerBrand, w.Name) }

// BrandColour returns the colour of the brand, found in the same way, or "" for that of Sallyport.
func (w Workspace) BrandColour() string { return cmp.Or(w.Colour, w.resellerColour) }

// WithReseller returns w with the brand of its reseller, for a Tx that has read both: see Issuer and BrandColour.
func (w Workspace) WithReseller(brand, colour string) Workspace {
	w.resellerBrand, w.resellerColour = brand, colour
	return w
}

// Installation is the one row about the whole database.
type Installation struct {
	KeyCheck        string // identifies the keyset with which this database was written
	MadeAt          time.Time
	OwnerMade       bool // the first owner exists, so the first run is closed for ever
	FirstRunHash    []byte
	FirstRunExpires time.Time
	ClockAt         time.Time // the latest time that a node recorded
}

// InstallationTx is the storage of the whole installation's data.
type InstallationTx interface {
	// Installation returns the row, and whether there is one.
	Installation() (Installation, bool, error)
	// InsertInstallation inserts the row. Of two concurrent calls, exactly one returns true.
	InsertInstallation(Installation) (bool, error)
	// OpenFirstRun replaces the first-run link, unless the first owner exists. It returns whether it did.
	OpenFirstRun(hash []byte, expires time.Time) (bool, error)
	// CloseFirstRun marks the first owner as created. Of all calls ever, exactly one returns true. A nil hash is for a
	// command on the host, which needs no link.
	CloseFirstRun(hash []byte, now time.Time) (bool, error)
	// Workspaces returns all workspaces with their hosts, oldest first.
	Workspaces() ([]HostedWorkspace, error)
}

// WorkspaceTx is the storage of workspaces and host names.
type WorkspaceTx interface {
	// InsertWorkspace inserts a workspace with its policy and host name, and marks its reseller as one. A host that is
	// taken is ErrDuplicate.
	InsertWorkspace(Workspace, Policy, string) error
	// MoveHost replaces the host of a workspace. A host that is taken is ErrDuplicate.
	MoveHost(workspace, host string) error
	// SaveBrand replaces the name and the colour of the brand.
	SaveBrand(workspace, name, colour string) error
	// Policy returns the policy of a workspace.
	Policy(workspace string) (Policy, error)
	// SavePolicy replaces the policy if the stored version is one less than that of p. It returns whether it did.
	SavePolicy(workspace string, p Policy) (bool, error)
}

// HostedWorkspace is a workspace and its host name.
type HostedWorkspace struct {
	Workspace
	Host string
}
