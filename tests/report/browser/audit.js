// What a test asks of a page, run inside it.
window.audit = (() => {
  const parse = (colour) => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    return colour.startsWith("color(srgb")
      ? [...numbers.slice(0, 3).map((part) => part * 255), numbers[3] ?? 1]
      : [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, under) => top.slice(0, 3).map((part, k) => part * top[3] + under[k] * (1 - top[3]));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  // The colour behind an element: every ancestor's background, the farthest first, on the browser's own canvas.
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const shown = (element) => element.checkVisibility({ opacityProperty: false, visibilityProperty: true });
  const opacity = (element) => {
    let product = 1;
    for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
    return product;
  };
  const judge = (element, pseudo, text) => {
    const style = getComputedStyle(element, pseudo), ground = behind(element);
    const colour = parse(style.color);
    colour[3] *= opacity(element) * (pseudo ? Number(style.opacity) : 1);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const found = ratio(over(colour, ground), ground);
    return found < needed ? [`${found.toFixed(2)} of ${needed}: ${text.trim().slice(0, 60)}`] : [];
  };
  const faintText = () => {
    const faults = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement, text = walker.currentNode.data;
      if (!text.trim() || ["SCRIPT", "STYLE"].includes(element.tagName) || !shown(element)) continue;
      faults.push(...judge(element, null, text));
    }
    for (const element of document.querySelectorAll("button")) {
      const content = getComputedStyle(element, "::after").content;
      if (shown(element) && content !== "none") faults.push(...judge(element, "::after", `after ${element.textContent}`));
    }
    return [...new Set(faults)];
  };
  const headings = () => [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((h) => [Number(h.tagName[1]), h.textContent]);
  const images = () =>
    [...document.images].map((image) => ({
      width: image.complete ? image.naturalWidth : 0,
      alt: image.alt,
      kind: image.currentSrc.slice(0, 30),
      hash: [...image.currentSrc].reduce((hash, sign) => (hash * 31 + sign.charCodeAt(0)) | 0, 0),
    }));
  const columns = () =>
    [...document.querySelectorAll("table")].map((table) => [...table.tHead.rows[0].cells].map((head) => head.textContent.trim()));
  const column = (table, place) => {
    const found = document.querySelectorAll("table")[table], head = found.tHead.rows[0].cells[place];
    const cells = [...found.tBodies[0].rows].map((row) => row.cells[place]);
    return { sort: head.getAttribute("aria-sort"), values: cells.map((cell) => cell.dataset.value ?? cell.textContent) };
  };
  const click = (table, place) => {
    document.querySelectorAll("table")[table].tHead.rows[0].cells[place].querySelector("button").click();
    return column(table, place);
  };
  const tooWide = () => {
    const width = document.documentElement.clientWidth;
    const scrolled = document.documentElement.scrollWidth;
    if (scrolled <= width) return [];
    const beyond = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1);
    return [`${scrolled} px of ${width}`, ...beyond.slice(0, 5).map((e) => `${e.tagName}.${e.className}`)];
  };
  const folded = () =>
    [...document.querySelectorAll("details table")].filter((table) => !table.checkVisibility()).map((table) => table.textContent);
  const scrolls = (box) => box.scrollWidth > box.clientWidth;
  const boxes = () =>
    [...document.querySelectorAll(".scroll, .drawing")].map((box) => ({ name: box.ariaLabel, stop: box.tabIndex, scrolls: scrolls(box) }));
  const drawings = () =>
    [...document.querySelectorAll(".drawing")].map((box) => {
      const image = box.querySelector("img");
      return { name: box.ariaLabel, scale: image.clientWidth / image.naturalWidth, scrolls: scrolls(box) };
    });
  const grounds = () => ({ body: luminance(behind(document.body)), ink: luminance(parse(getComputedStyle(document.body).color).slice(0, 3)) });
  return { faintText, headings, images, columns, column, click, tooWide, folded, boxes, drawings, grounds };
})();
