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
	Resells   bool   // it has created others
	Brand     string // as the workspace has set it, or empty: see Issuer
	Colour    string // of the brand, "#rrggbb" or empty: see BrandColour
	CreatedAt time.Time

	resellerBrand, resellerColour string
}

// Issuer is the name of the brand as pages, mails and authenticator apps show it (SPEC 3.2): the workspace's own, or
// until it has set one that of its reseller. A workspace without either is known by its name.
func (w Workspace) Issuer() string { return cmp.Or(w.Brand, w.resellerBrand, w.Name) }

// BrandColour is the colour of the brand, found in the same way; empty is that of Sallyport.
func (w Workspace) BrandColour() string { return cmp.Or(w.Colour, w.resellerColour) }

// WithReseller returns w with what its reseller lends it, for a Tx that read both: see Issuer and BrandColour.
func (w Workspace) WithReseller(brand, colour string) Workspace {
	w.resellerBrand, w.resellerColour = brand, colour
	return w
}

// Installation is the one row about the whole database.
type Installation struct {
	KeyCheck        string // tells whether a keyset is the one this database was written with
	MadeAt          time.Time
	OwnerMade       bool // the first owner exists: the first-run link is closed for ever
	FirstRunHash    []byte
	FirstRunExpires time.Time
	ClockAt         time.Time // the newest time that a node noted
}

// InstallationTx is the storage of what is about the whole installation.
type InstallationTx interface {
	// Installation returns the row, and whether there is one.
	Installation() (Installation, bool, error)
	// InsertInstallation makes the row; of two concurrent calls exactly one gets true.
	InsertInstallation(Installation) (bool, error)
	// OpenFirstRun replaces the first-run link, unless an owner was made.
	OpenFirstRun(hash []byte, expires time.Time) (bool, error)
	// CloseFirstRun marks the owner as made; of all calls ever exactly one gets true. A nil hash stands for
	// somebody on the host itself, who needs no link.
	CloseFirstRun(hash []byte, now time.Time) (bool, error)
	// Workspaces returns all, oldest first, with the host of each.
	Workspaces() ([]HostedWorkspace, error)
}

// WorkspaceTx is the storage of workspaces and host names.
type WorkspaceTx interface {
	// InsertWorkspace keeps a workspace with its policy and host name, and marks its reseller as one. A host that is taken
	// is ErrDuplicate.
	InsertWorkspace(Workspace, Policy, string) error
	// MoveHost makes the workspace answer on host, and on no host it had before.
	MoveHost(workspace, host string) error
	// SaveBrand replaces name and colour of the brand.
	SaveBrand(workspace, name, colour string) error
	// Policy returns the policy of a workspace.
	Policy(workspace string) (Policy, error)
	// SavePolicy replaces the policy if its version is still the one given less one, and says whether it was.
	SavePolicy(workspace string, p Policy) (bool, error)
}

// HostedWorkspace is a workspace and the host name it answers on.
type HostedWorkspace struct {
	Workspace
	Host string
}
