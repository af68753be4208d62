package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// devicePath is where people enter the code that a device without a browser shows.
const devicePath = "/device"

// deviceCodePage asks for the code and, once it is known, whether to let the device in.
type deviceCodePage struct {
	page
	UserCode string
	App      string
	Learns   []text.Message
	Known    bool
}

func (s *site) deviceCode(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	v := &deviceCodePage{page: page{Title: text.Say("Connect a device"), OneField: true}, UserCode: q.Get("user_code")}
	if f := s.filled(w, r); v.UserCode == "" {
		v.UserCode = f.Get("user_code")
	}
	return s.render(w, r, http.StatusOK, "device-code", v)
}

func (s *site) deviceCodePost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v := &deviceCodePage{page: page{Title: text.Say("Connect a device"), OneField: true}, UserCode: f.Get("user_code")}
	switch f.Get("answer") {
	case "allow":
		if err := s.service.AnswerDevice(r.Context(), by(r), v.UserCode, true); err != nil {
			return s.again(w, r, "device-code", v, err)
		}
		return s.done(w, r, devicePath, "device-allowed")
	case "refuse":
		if err := s.service.AnswerDevice(r.Context(), by(r), v.UserCode, false); err != nil {
			return s.again(w, r, "device-code", v, err)
		}
		return s.done(w, r, devicePath, "device-refused")
	}
	app, scopes, err := s.service.DeviceAsked(r.Context(), by(r), v.UserCode)
	if err != nil {
		return s.again(w, r, "device-code", v, err)
	}
	v.App, v.Known, v.Title = app.Name, true, text.Say("Connect a device to {app}?", "app", app.Name)
	for _, scope := range scopes {
		v.Learns = append(v.Learns, learns[scope])
	}
	return s.render(w, r, http.StatusOK, "device-code", v)
}
