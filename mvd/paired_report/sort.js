"use strict";
const collator = new Intl.Collator("en", { numeric: true });
// Tables sort by the column whose heading is pressed; empty cells stay last, equal ones in their order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const downwards = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", downwards ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row, place) => ({ row, place, key: keyOf(row.cells[column]) }));
      rows.sort((a, b) => compared(a.key, b.key, downwards) || a.place - b.place);
      body.append(...rows.map((one) => one.row));
    });
  });
}

function keyOf(cell) {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "" || text === "–" ? null : text;
}

function compared(a, b, downwards) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
  return downwards ? -order : order;
}
