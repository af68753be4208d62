// The part of Browser that runs inside the page. The functions take the element
// that they act on. The file is one expression, see call in browser_page.go. It
// runs through DevTools, so it also works if the page's scripts are disabled.
({
	// listen starts recording clicks and submissions, so that leads can check
	// whether a script of the page prevented them.
	listen() {
		if (!window.sallyportSeen) {
			const keep = event => window.sallyportSeen.push(event)
			window.addEventListener("click", keep, { capture: true })
			window.addEventListener("submit", keep, { capture: true })
		}
		window.sallyportSeen = []
	},

	// leads reports whether the click or key press on the element must lead to
	// another page. Without scripts there are no events to check, but then only
	// an empty required field can prevent it.
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

	// point scrolls to the element and returns where to click it, or why a user
	// could not.
	point(el) {
		if (el.matches(":disabled, [aria-disabled=true]")) return { Problem: "it is disabled" }
		// A popover follows the element that opened it one frame later, so scrolling would move it.
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
		return { Problem: covers ? "it is covered by " + covers.cloneNode(false).outerHTML : "it is not visible" }
	},

	// fill prepares a field for typing. It returns false if the field does not
	// accept typing, and then sets the value itself.
	fill(el, text) {
		if (el.readOnly || el.disabled) throw new Error("the field is read-only or disabled")
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

	// select selects an option of a list by its text.
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

	// tooWide lists elements that extend beyond the right edge of the window or, if
	// there are none, tables that are wider than their boxes.
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
