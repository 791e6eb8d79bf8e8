// Draws the report's figures from the JSON in the page. Figures are drawn when they come into view, all of them before
// printing, and again when the theme changes. Nothing is loaded from anywhere.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("figures-data").textContent);
  const maps = JSON.parse(document.getElementById("maps-data").textContent);
  const configs = new Map(maps.configs.map((config) => [String(config.index), config]));

  // Ten colours that stay apart for colour-blind readers (after Paul Tol's "muted" scheme, paler on dark ground);
  // marks of different shape say the same a second time.
  const palettes = {
    light: ["#332288", "#CC6677", "#117733", "#DDAA33", "#56B4E9", "#882255", "#44AA99", "#999933", "#AA4499", "#6B7280"],
    dark: ["#9A90FF", "#F08A9B", "#4CC26E", "#F0C65C", "#8CD0F5", "#D667A0", "#5FD3BE", "#C9C95A", "#DD93E0", "#A3ACB8"],
  };
  const symbols2d = ["circle", "square", "diamond", "triangle-up", "circle-open", "square-open", "diamond-open"];
  const symbols3d = ["circle", "square", "diamond", "circle-open", "square-open", "diamond-open"];

  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const theme = () => {
    if (printing) return "light";
    return document.documentElement.dataset.theme || (systemDark.matches ? "dark" : "light");
  };
  const fade = (hex, opacity) => {
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(1)},${part(3)},${part(5)},${opacity})`;
  };
  const colours = () => {
    const name = theme();
    const dark = name === "dark";
    return { palette: palettes[name], text: dark ? "#e4e8ec" : "#1c2126", grid: dark ? "#333c46" : "#e3e7eb", page: dark ? "#14181d" : "#ffffff" };
  };
  const paint = (value, scheme) => {
    if (Array.isArray(value)) return value.map((item) => paint(item, scheme));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, paint(item, scheme)]));
    }
    const match = typeof value === "string" && /^\$c(\d)(a?)$/.exec(value);
    if (!match) return value;
    const colour = scheme.palette[Number(match[1])];
    return match[2] ? fade(colour, 0.18) : colour;
  };

  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  const baseLayout = (scheme) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 20, t: 20, b: 50 },
    font: { color: scheme.text, size: 13, family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif" },
    hoverlabel: { align: "left" }, modebar: { bgcolor: "rgba(0,0,0,0)", color: scheme.grid, activecolor: scheme.text },
  });
  const themed = (layout, scheme) => {
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    const whole = { ...baseLayout(scheme), ...layout, margin: { ...baseLayout(scheme).margin, ...layout.margin } };
    for (const axis of axes) {
      whole[axis] = { gridcolor: scheme.grid, zerolinecolor: scheme.grid, linecolor: scheme.grid, ...layout[axis] };
    }
    return whole;
  };
  const show = (element, data, layout) => {
    window.Plotly.react(element, data, layout, { ...config, toImageButtonOptions: { format: "svg", filename: element.getAttribute("aria-label").slice(0, 40) } });
  };

  const drawFigure = (element) => {
    const scheme = colours();
    const spec = specs[element.dataset.figure];
    show(element, paint(spec.data, scheme), themed(paint(spec.layout, scheme), scheme));
  };

  // Groups of cells with one colour each: by cell type or by cluster.
  const groupsOf = (map, by) => {
    const byClass = by === "class";
    const groupOf = byClass ? maps.class : map.cluster;
    const names = byClass ? maps.classes : map.clusters;
    if (!groupOf.length) return [{ name: "cells", colour: 9, cells: (map.x.length ? map.x : map.x3).map((_, cell) => cell) }];
    const groups = names.map((name, index) => ({ name, colour: byClass ? index : map.colour[index], cells: [] }));
    groupOf.forEach((group, cell) => groups[group].cells.push(cell));
    return groups;
  };
  const pick = (values, cells) => cells.map((cell) => values[cell]);
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

  const drawMap = (element) => {
    const scheme = colours();
    const map = configs.get(element.dataset.map);
    const by = element.dataset.by;
    const groups = groupsOf(map, by);
    const size = Math.max(2.5, Math.min(6, 260 / Math.sqrt(map.x.length)));
    const data = groups.map((group) => ({
      type: "scatter", mode: "markers", name: escaped(group.name), x: pick(map.x, group.cells), y: pick(map.y, group.cells),
      marker: { color: scheme.palette[group.colour % 10], symbol: symbols2d[Math.floor(group.colour / 10) % symbols2d.length], size, opacity: 0.8 },
      hovertemplate: "%{fullData.name}<extra></extra>",
    }));
    const annotations = [];
    const tag = (x, y, text) => annotations.push({ x, y, text, showarrow: false, font: { size: 12, color: scheme.text }, bgcolor: fade(scheme.page, 0.72), borderpad: 1 });
    if (by === "cluster") {
      data.push({
        type: "scatter", mode: "markers", name: "centroids", x: map.centroids.map((c) => c[0]), y: map.centroids.map((c) => c[1]),
        marker: { color: scheme.text, symbol: "x", size: 10, line: { color: scheme.page, width: 1.5 } }, hovertemplate: "centroid %{pointNumber}<extra></extra>", showlegend: false,
      });
      map.centroids.forEach((c, index) => annotations.push({ x: c[0], y: c[1], text: String(index + 1), showarrow: false, yshift: 15, font: { size: 13, color: scheme.text }, bgcolor: fade(scheme.page, 0.72), borderpad: 1 }));
    } else if (maps.class.length) {
      groups.filter((group) => group.cells.length).forEach((group) => tag(median(pick(map.x, group.cells)), median(pick(map.y, group.cells)), escaped(group.name)));
    }
    const quiet = { showticklabels: false, zeroline: false, ticks: "" };
    const layout = themed({
      xaxis: { ...quiet, title: { text: "t-SNE 1", standoff: 4 } }, yaxis: { ...quiet, title: { text: "t-SNE 2", standoff: 4 }, scaleanchor: "x" },
      margin: { l: 30, r: 10, t: 24, b: 60 + 20 * Math.ceil(Math.max(maps.classes.length, map.clusters.length) / 2) }, legend: { orientation: "h", y: -0.08, yanchor: "top", itemsizing: "constant", font: { size: 12 } }, annotations,
    }, scheme);
    show(element, data, layout);
  };

  // Cells of each cell type in each cluster, coloured by their share of the cluster.
  const drawConfusion = (element) => {
    const scheme = colours();
    const map = configs.get(element.dataset.confusion);
    const sizes = map.counts.map((row) => row.reduce((sum, n) => sum + n, 0));
    const share = map.counts.map((row, cluster) => row.map((n) => (sizes[cluster] ? n / sizes[cluster] : 0)));
    const data = [{
      type: "heatmap", x: maps.classes.map(escaped), y: map.counts.map((_, cluster) => `cluster ${cluster + 1}`), z: share, text: map.counts.map((row) => row.map((n) => (n ? String(n) : ""))),
      customdata: map.counts, zmin: 0, zmax: 1, colorscale: "Cividis", xgap: 2, ygap: 2, texttemplate: "%{text}", colorbar: { thickness: 12, outlinewidth: 0, tickformat: ".0%" },
      hovertemplate: "%{y}, %{x}: %{customdata} cells, %{z:.1%} of the cluster<extra></extra>",
    }];
    const layout = themed({
      xaxis: { side: "top", showgrid: false, tickangle: maps.classes.length > 6 ? -20 : 0, automargin: true }, yaxis: { autorange: "reversed", automargin: true, showgrid: false },
      margin: { t: 60, b: 10 },
    }, scheme);
    show(element, data, layout);
  };

  const chosen = document.getElementById("map3d-config");
  const chosenBy = document.getElementById("map3d-by");
  const plot3d = document.getElementById("map3d-plot");
  const draw3d = () => {
    const scheme = colours();
    const map = configs.get(chosen.value);
    const data = groupsOf(map, chosenBy.value).map((group) => ({
      type: "scatter3d", mode: "markers", name: escaped(group.name),
      x: pick(map.x3, group.cells), y: pick(map.y3, group.cells), z: pick(map.z3, group.cells),
      marker: { color: scheme.palette[group.colour % 10], symbol: symbols3d[Math.floor(group.colour / 10) % symbols3d.length], size: 2.6, opacity: 0.9 },
      hovertemplate: "%{fullData.name}<extra></extra>",
    }));
    const axis = (title) => ({ title: { text: title }, showticklabels: false, gridcolor: scheme.grid, zerolinecolor: scheme.grid, showbackground: false });
    const layout = { ...baseLayout(scheme), margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: chosen.value, legend: { itemsizing: "constant", x: 1, y: 0.95 },
      scene: { xaxis: axis("t-SNE 1"), yaxis: axis("t-SNE 2"), zaxis: axis("t-SNE 3"), aspectmode: "data" } };
    show(plot3d, data, layout);
  };

  const draw = (element) => {
    element.dataset.drawn = "yes";
    if (element.dataset.figure) drawFigure(element);
    else if (element.dataset.map) drawMap(element);
    else if (element.dataset.confusion) drawConfusion(element);
    else draw3d();
  };
  const plots = [...document.querySelectorAll(".plot")];
  const with3d = maps.configs.filter((map) => map.x3.length);
  if (with3d.length) {
    document.getElementById("map3d").hidden = false;
    with3d.forEach((map) => chosen.add(new Option(map.label, String(map.index))));
    if (!maps.class.length) chosenBy.value = "cluster";
    chosenBy.parentElement.hidden = !maps.class.length;
    chosen.addEventListener("change", () => draw(plot3d));
    chosenBy.addEventListener("change", () => draw(plot3d));
  }
  const drawable = plots.filter((element) => element !== plot3d || with3d.length);
  const watcher = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    });
  }, { rootMargin: "600px 0px" });
  drawable.forEach((element) => watcher.observe(element));

  const redraw = () => drawable.filter((element) => element.dataset.drawn).forEach(draw);
  systemDark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { printing = true; drawable.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; redraw(); });

  const button = document.getElementById("theme");
  const names = { "": "automatic", light: "light", dark: "dark" };
  const order = ["", "light", "dark"];
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const next = order[(order.indexOf(root.dataset.theme || "") + 1) % order.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    button.textContent = `Theme: ${names[next]}`;
    redraw();
  });

  // A diagram drawn without Plotly is saved as it looks now.
  document.querySelectorAll(".save-svg").forEach((save) => {
    save.hidden = false;
    save.addEventListener("click", () => {
      const picture = save.closest("figure").querySelector("svg").cloneNode(true);
      picture.setAttribute("color", colours().text);
      const file = new Blob([new XMLSerializer().serializeToString(picture)], { type: "image/svg+xml" });
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "critical-difference.svg" });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });

  // Sort a table by a column: numbers by value ("0.62 ±0.04" by its first number), the rest as text; "–" last.
  const key = (row, column) => row.cells[column].textContent.trim();
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("number");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [left, right] = [key(a, column), key(b, column)];
        if (!numeric) return down ? right.localeCompare(left) : left.localeCompare(right);
        const [x, y] = [parseFloat(left), parseFloat(right)];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return down ? y - x : x - y;
      });
      table.tBodies[0].append(...rows);
    }));
  });
})();
