package web

import (
	"fmt"
	"html/template"
	"slices"
)

// field is the data of a field partial: {{template "field" (field . "email" (t "E-mail address") "type" "email")}}.
// Its error is the one of the page's errors that has its name.
type field struct {
	Name, ID           string
	Label, Hint, Error template.HTML
	Type               string // of an input; text by default
	Value              string
	Autocomplete       string
	Autofocus          bool // unless a summary of errors has the focus
	Alone              bool // its error is not in a summary
	Required           bool
	Checked            bool
	Min                int      // of a new password: its minimum length; more than 0 also shows the meter
	Rows               int      // of an area; 0 is 8
	Options            []option // of a select or of radios
	Fold               int      // of radios: how many are shown at first; 0 is all
	Unfolded           bool     // one of the folded ones is chosen
}

// option is one choice.
type option struct {
	Value  string
	Label  template.HTML
	Hint   template.HTML
	Group  template.HTML // of a select; options of the same group are consecutive
	Opens  bool          // set by newField: it is the first of its group
	Closes bool          // set by newField: it is the last of its group
	Chosen bool          // set by newField if its value is the field's
	Denied bool          // not allowed in a session that began with a recovery code
}

func (p *pages) newField(v view, name string, label template.HTML, settings ...any) (field, error) {
	f := field{Name: name, ID: "field-" + name, Label: label, Type: "text"}
	for i := 0; i+1 < len(settings); i += 2 {
		ok := true
		switch set := settings[i+1]; settings[i] {
		case "id":
			f.ID, ok = set.(string)
		case "hint":
			f.Hint, ok = set.(template.HTML)
		case "type":
			f.Type, ok = set.(string)
		case "value":
			f.Value, ok = set.(string)
		case "autocomplete":
			f.Autocomplete, ok = set.(string)
		case "autofocus":
			f.Autofocus, ok = set.(bool)
		case "required":
			f.Required, ok = set.(bool)
		case "checked":
			f.Checked, ok = set.(bool)
		case "min":
			f.Min, ok = set.(int)
		case "rows":
			f.Rows, ok = set.(int)
		case "fold":
			f.Fold, ok = set.(int)
		case "options":
			f.Options, ok = set.([]option)
		default:
			ok = false
		}
		if !ok {
			return f, fmt.Errorf("field %s: setting %v with a %T", name, settings[i], settings[i+1])
		}
	}
	f.Options = slices.Clone(f.Options)
	for i := range f.Options {
		o := &f.Options[i]
		o.Chosen = o.Chosen || o.Value == f.Value
		o.Opens = o.Group != "" && (i == 0 || f.Options[i-1].Group != o.Group)
		o.Closes = o.Group != "" && (i == len(f.Options)-1 || f.Options[i+1].Group != o.Group)
		f.Unfolded = f.Unfolded || o.Chosen && i >= f.Fold
	}
	summary := v.base().Summary()
	for _, e := range v.base().Errors {
		if e.Field == name {
			f.Error, f.Alone = p.lang.HTML(e.Text), len(summary) == 0
			break
		}
	}
	f.Autofocus = f.Alone || f.Autofocus && len(summary) == 0
	return f, nil
}

// bdi returns a name for a label.
func bdi(name string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(name) + "</bdi>")
}

// DescribedBy returns the value of aria-describedby.
func (f field) DescribedBy() string {
	switch {
	case f.Hint != "" && f.Error != "":
		return f.ID + "-hint " + f.ID + "-error"
	case f.Hint != "":
		return f.ID + "-hint"
	case f.Error != "":
		return f.ID + "-error"
	}
	return ""
}
