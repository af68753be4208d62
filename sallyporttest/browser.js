// What the Browser does inside a page, one function a verb, each given the
// element it is about. The whole is one expression; see call in
// browser_page.go. It runs through DevTools, so also where the page's own
// scripts do not.
({
	// listen notes from now on which clicks and submissions happen, so that
	// leads can tell afterwards whether a script of the page held them back.
	listen() {
		if (!window.sallyportSeen) {
			const keep = event => window.sallyportSeen.push(event)
			window.addEventListener("click", keep, { capture: true })
			window.addEventListener("submit", keep, { capture: true })
		}
		window.sallyportSeen = []
	},

	// leads tells whether what was just done to the element (a click, or a key
	// pressed) must lead to another page. Without scripts there are no events
	// to go by, but nothing either that could hold it back, except an empty
	// required field.
	leads(el, scripts, done) {
		const seen = type => (window.sallyportSeen || []).find(event => event.type === type)
		const activated = ["click", "Enter"].includes(done) || (done === "Space" && el.matches("button, input"))
		const link = el.closest("a[href]")
		if (link) {
			if (scripts ? !seen("click") || seen("click").defaultPrevented : !activated) return false
			const to = new URL(link.href), here = new URL(location.href)
			const sameDocument = link.href.includes("#") && (to.hash = "", here.hash = "", to.href === here.href)
			return /^https?:$/.test(to.protocol) && !link.hasAttribute("download") && link.target !== "_blank" && !sameDocument
		}
		if (scripts) {
			const submit = seen("submit")
			return !!submit && !submit.defaultPrevented && (submit.submitter?.getAttribute("formmethod") || submit.target.method) !== "dialog"
		}
		const submits = ["submit", "image"].includes(el.type) || (done === "Enter" && el.matches("input"))
		const form = el.form
		if (!form || !activated || !submits || form.method === "dialog" || el.formMethod === "dialog") return false
		return form.noValidate || !!el.formNoValidate || form.checkValidity()
	},

	// point tells where to click the element, after bringing it into view, or
	// why a person could not.
	point(el) {
		if (el.matches(":disabled, [aria-disabled=true]")) return { Problem: "it is disabled" }
		// A popover moves with what opened it, one frame after the page has moved.
		if (!el.closest(":popover-open")) el.scrollIntoView({ block: "center", inline: "center", behavior: "instant" })
		let covers = null
		for (const target of [el, ...(el.labels || [])]) {
			for (const box of target.getClientRects()) {
				const X = box.left + box.width / 2, Y = box.top + box.height / 2
				const hit = document.elementFromPoint(X, Y)
				if (target.contains(hit)) return { X, Y }
				covers ||= hit
			}
		}
		return { Problem: covers ? "it is covered by " + covers.cloneNode(false).outerHTML : "it is not to be seen" }
	},

	// fill readies a field to be typed into, and answers false when it set the
	// value itself because the field takes no typing.
	fill(el, text) {
		if (el.readOnly || el.disabled) throw new Error("the field takes no text")
		el.focus()
		if (!["date", "time", "month", "color", "range"].includes(el.type)) {
			el.select()
			return true
		}
		el.value = text
		el.dispatchEvent(new Event("input", { bubbles: true }))
		el.dispatchEvent(new Event("change", { bubbles: true }))
		return false
	},

	// select chooses an option of a list by its text.
	select(el, text) {
		const option = [...(el.options || [])].find(option => option.label.trim() === text)
		if (!option || option.disabled || el.disabled) return false
		option.selected = true
		el.dispatchEvent(new Event("input", { bubbles: true }))
		el.dispatchEvent(new Event("change", { bubbles: true }))
		return true
	},

	value: el => el.value,
	checked: el => el.checked,
	href: el => el.href || "",

	// tooWide names what sticks out of the window sideways, or else a table
	// that sticks out of its box.
	tooWide() {
		const root = document.documentElement
		if (root.scrollWidth <= root.clientWidth) {
			const tables = [...document.querySelectorAll("table")].filter(el => el.parentElement.scrollWidth > el.parentElement.clientWidth)
			return tables.map(el => "a table of " + el.parentElement.scrollWidth + " pixels in a box of " + el.parentElement.clientWidth).join(", ")
		}
		const out = [...document.body.querySelectorAll("*")].filter(el => el.getBoundingClientRect().right > root.clientWidth + 0.5)
		return root.scrollWidth + " pixels: " + out.slice(0, 5).map(el => el.cloneNode(false).outerHTML).join(" ")
	},
})
