// On a phone the contents lie over the page: a choice there, or Escape, puts them away.
const PANELS = [[".bd-sidebar-primary", "pst-primary-sidebar-checkbox"], [".bd-sidebar-secondary", "pst-secondary-sidebar-checkbox"]];

for (const [panel, name] of PANELS) {
  const open = document.getElementById(name);
  if (!open) continue;
  document.querySelector(panel)?.addEventListener("click", (event) => { if (event.target.closest("a[href]")) open.checked = false; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") open.checked = false; });
}
