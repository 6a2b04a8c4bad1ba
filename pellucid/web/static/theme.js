/* Before the first paint: the theme that the reader chose last time. */
try {
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch (error) { /* private mode: the system's theme */ }
