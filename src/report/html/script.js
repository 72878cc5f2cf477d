"use strict";
(() => {
  const form = document.querySelector(".filters");
  if (!form) return;
  const resources = [...document.querySelectorAll("details.resource")];
  const search = document.getElementById("search");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const texts = new Map(resources.map((one) => [one, one.textContent.toLowerCase()]));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const one of resources) {
      const fits = shown.has(one.dataset.symbol) && words.every((word) => texts.get(one).includes(word));
      one.hidden = !fits;
      count += fits ? 1 : 0;
    }
    document.getElementById("count").textContent = `${count} of ${resources.length} resources`;
  };
  document.getElementById("all").addEventListener("click", () => {
    const open = resources.some((one) => !one.open);
    for (const one of resources) one.open = open;
  });
  search.addEventListener("input", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) { target.hidden = false; target.open = true; target.scrollIntoView(); }
  });
  form.hidden = false;
  filter();
})();
