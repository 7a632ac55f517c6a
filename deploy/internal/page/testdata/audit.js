// audit lists barriers to reading or using the page in its current state:
// text with too little contrast (WCAG 2.2, 1.4.3), controls without a name
// (4.1.2), IDs that are not unique.
(() => {
  const faults = new Set();
  const say = (what, el) => faults.add(`${what}: ${el.cloneNode(false).outerHTML.slice(0, 140)}`);

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const behind = (el) => {
    const layers = [];
    for (let e = el; e; e = e.parentElement) {
      const layer = rgba(getComputedStyle(e).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduceRight((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };

  for (const el of document.querySelectorAll("body *")) {
    const words = [...el.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && /[\p{L}\p{N}]/u.test(n.data));
    if (!words || !el.checkVisibility({ checkOpacity: true }) || el.closest(".aside, :disabled, noscript, option")) continue;
    const style = getComputedStyle(el);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const under = behind(el);
    const ratio = contrast(over(rgba(style.color), under), under);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, el);
  }

  const ids = new Set();
  for (const el of document.querySelectorAll("[id]")) {
    if (ids.has(el.id)) say("the ID is not unique", el);
    ids.add(el.id);
  }
  for (const el of document.querySelectorAll("button, input, select, textarea, a[href], summary")) {
    const label = el.labels?.length ? [...el.labels].map((l) => l.innerText).join("") : "";
    const name = el.getAttribute("aria-label") || label || (el.matches("button, a, summary") ? el.textContent : "");
    if (!name.trim()) say("no name", el);
  }
  for (const el of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      for (const id of (el.getAttribute(name) || "").split(" ")) if (id && !document.getElementById(id)) say(`${name} leads nowhere (${id})`, el);
    }
  }
  return [...faults];
})();
