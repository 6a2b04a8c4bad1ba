/* Theme button, "/" to search, facets, and the pictures. Every page can be read without this file. */
"use strict";
(() => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";

  /* theme */
  const button = document.getElementById("theme");
  const nameButton = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} theme`);
  };
  const switchTheme = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch (error) { /* private mode */ }
    nameButton();
    drawAll();
  };
  if (button) {
    button.hidden = false;
    button.addEventListener("click", switchTheme);
    systemDark.addEventListener("change", () => { nameButton(); drawAll(); });
    nameButton();
  }

  /* "/" goes to the search field, unless the reader is typing */
  addEventListener("keydown", event => {
    const field = document.querySelector('input[type="search"]');
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (event.key !== "/" || !field || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
    field.select();
  });

  /* facets: closed on a narrow screen, applied as soon as they change */
  const facets = document.querySelector("details.facet-box");
  if (facets && matchMedia("(max-width: 820px)").matches && !facets.hasAttribute("data-chosen")) facets.open = false;
  document.querySelectorAll("form[data-submit-on-change]").forEach(form => {
    form.addEventListener("change", () => form.requestSubmit());
  });

  /* pictures: Plotly draws from the JSON beside each figure, in the colours of the page's tokens */
  const resolve = (name, scheme) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    probe.style.colorScheme = scheme;
    document.body.append(probe);
    const found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3);
    probe.remove();
    return `#${found.map(part => Math.round(Number(part)).toString(16).padStart(2, "0")).join("")}`;
  };
  const TOKENS = ["--wall", "--sheet", "--sunk", "--ink", "--ink-2", "--ink-3", "--rule", "--rule-2", "--edge",
    "--accent", "--accent-tint", "--data-soft"];
  const inTheme = text => {
    if (!isDark()) return text;
    const dark = Object.fromEntries(TOKENS.map(name => [resolve(name, "light"), resolve(name, "dark")]));
    return text.replace(/#[0-9a-f]{6}/gi, hex => dark[hex.toLowerCase()] || hex);
  };
  /* of many names along the foot of a narrow picture only some are marked, evenly */
  const thin = (axis, room) => {
    const step = axis && axis.tickvals ? Math.ceil(axis.tickvals.length * 15 / Math.max(room, 60)) : 1;
    if (step <= 1) return;
    for (const name of ["tickvals", "ticktext"]) axis[name] = axis[name].filter((_, at) => at % step === 0);
  };
  /* and names beside it are cut shorter, so that the picture keeps its room */
  const shorten = (axis, most) => {
    if (axis && axis.ticktext) axis.ticktext = axis.ticktext.map(word => word.length > most ? `${word.slice(0, most - 1)}…` : word);
  };
  const draw = place => {
    const source = document.getElementById(place.dataset.figure);
    const figure = JSON.parse(inTheme(source.textContent));
    thin(figure.layout.xaxis, place.clientWidth - 120);
    if (place.clientWidth < 420) shorten(figure.layout.yaxis, 14);
    const options = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
    Plotly.react(place, figure.data, figure.layout, options);
  };
  const drawAll = () => {
    if (typeof Plotly === "undefined") return;
    document.querySelectorAll("[data-figure]").forEach(draw);
  };
  drawAll();
})();
