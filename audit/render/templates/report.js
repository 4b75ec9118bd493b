"use strict";
(() => {
  const root = document.documentElement;
  const remembered = "assay-theme";

  const recall = () => {
    try { return localStorage.getItem(remembered); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem(remembered, theme); } catch { /* a private window: the choice lasts as long as the page */ }
  };

  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => {
    toggle.setAttribute("aria-pressed", String(isDark()));
    toggle.querySelector("span").textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", isDark() ? "Show in light colours" : "Show in dark colours");
  };
  const theme = recall();
  if (toggle && (theme === "dark" || theme === "light")) root.dataset.theme = theme;
  if (toggle) {
    toggle.hidden = false;
    label();
    system.addEventListener("change", label);
    toggle.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      label();
    });
  }

  const dialog = document.getElementById("lightbox");
  const part = (name) => dialog.querySelector(name);
  let shown = [];
  let at = 0;
  const show = () => {
    const source = shown[at];
    const thumb = part(".thumb");
    thumb.className = source.querySelector(".thumb").className;
    thumb.replaceChildren(...[...source.querySelector(".thumb").children].map((child) => child.cloneNode(true)));
    const size = getComputedStyle(thumb).aspectRatio.split("/").map(Number);
    const ratio = size.length === 2 && size[1] ? size[0] / size[1] : 1;
    thumb.classList.toggle("wide", ratio >= innerWidth / innerHeight);
    part(".caption").textContent = source.dataset.caption;
    part(".dataset").textContent = source.dataset.dataset;
    part(".path").textContent = source.dataset.path;
    part(".position").textContent = shown.length > 1 ? `${at + 1} of ${shown.length}` : "";
    for (const button of dialog.querySelectorAll("[data-step]")) button.hidden = shown.length < 2;
  };
  const step = (by) => {
    at = (at + by + shown.length) % shown.length;
    show();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (!button) return;
    shown = [...button.closest(".strip").querySelectorAll("button.open")];
    at = shown.indexOf(button);
    dialog.showModal();
    show();
  });
  dialog.addEventListener("click", (event) => {
    const control = event.target.closest("[data-step]");
    if (control) step(Number(control.dataset.step));
    else if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => shown[at]?.focus());

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
})();
