"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const text = document.getElementById("filter-text");
  const label = document.getElementById("filter-label");
  const status = document.getElementById("filter-status");
  const count = document.getElementById("filter-count");
  const sheets = [...document.querySelectorAll(".sheet")].map((sheet) => ({
    files: [...sheet.querySelectorAll(":scope > .file")],
    none: sheet.previousElementSibling.querySelector(".none"),
  }));
  const all = sheets.reduce((sum, sheet) => sum + sheet.files.length, 0);

  // The value of an option begins with "=": the empty label is another thing than no choice.
  const fits = (choice, value) => !choice || !choice.value || choice.value.slice(1) === value;

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const sheet of sheets) {
      let here = 0;
      for (const file of sheet.files) {
        const data = file.dataset;
        const isShown = fits(label, data.label) && fits(status, data.status)
          && words.every((word) => data.text.includes(word));
        file.hidden = !isShown;
        here += isShown;
      }
      if (sheet.none) sheet.none.hidden = here > 0;
      shown += here;
    }
    count.textContent = `${shown} of ${all} files shown`;
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  form.hidden = false;
  filter();  // a browser that comes back to the page may have kept what was typed
})();
