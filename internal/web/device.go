package web

import (
	"math"
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const trustedDevicesPath = "/account/trusted-devices"

type trustedDevicesPage struct {
	page
	Tabs    []link
	Days    int // for which the policy allows trust
	Devices []trustedDevice
}

type trustedDevice struct {
	sallyport.Trust
	DaysLeft int
}

func (s *site) trustedDevices(w http.ResponseWriter, r *http.Request) error {
	all, err := s.service.TrustedDevices(r.Context(), by(r))
	if err != nil {
		return err
	}
	v := &trustedDevicesPage{
		page: page{Title: text.Say("Trusted devices"), Wide: true}, Tabs: accountTabs(trustedDevicesPath),
		Days: by(r).Policy().TrustedDeviceDays,
	}
	for _, d := range all {
		left := d.Until.Sub(s.service.Now()).Hours() / 24
		v.Devices = append(v.Devices, trustedDevice{d, int(math.Ceil(left))})
	}
	return s.render(w, r, http.StatusOK, "trusted-devices", v)
}

// removeTrusted asks before a trusted device is removed. It returns an error if there is no such device.
func (s *site) removeTrusted(w http.ResponseWriter, r *http.Request) error {
	all, err := s.service.TrustedDevices(r.Context(), by(r))
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.ID == r.PathValue("id") {
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page:     page{Title: text.Say("Remove this trusted device?")},
				Question: text.Say("<bdi>{name}</bdi> will be asked for a code at the next sign-in.", "name", d.Name),
				Button:   text.Say("Remove"), Danger: true, Back: trustedDevicesPath,
			})
		}
	}
	return sallyport.ErrNotFound
}

func (s *site) removeTrustedPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.RemoveTrustedDevice(r.Context(), by(r), r.PathValue("id")); err != nil {
		return err
	}
	return s.done(w, r, trustedDevicesPath, "device-removed")
}

func (s *site) removeAllTrusted(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("Remove all trusted devices?")},
		Question: text.Say("Every browser will be asked for a code at its next sign-in, this one too."),
		Button:   text.Say("Remove all"), Danger: true, Back: trustedDevicesPath,
	})
}

func (s *site) removeAllTrustedPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.RemoveTrustedDevice(r.Context(), by(r), ""); err != nil {
		return err
	}
	return s.done(w, r, trustedDevicesPath, "devices-removed")
}

// trustLimit is how long the browser keeps the trust cookie. The server decides at every use whether it is still valid.
const trustLimit = sallyport.MaxTrustedDeviceDays * 24 * time.Hour
