// Sorting, searching and reading out. The page is complete without it: nothing is fetched, nothing is stored.
'use strict';
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---- sorting: a button in each heading; rows that explain the row above them stay below it
  const groups = body => {
    const found = [];
    for (const row of body.rows) {
      if (found.length && row.cells.length === 1) found.at(-1).push(row);
      else found.push([row]);
    }
    return found;
  };
  const key = cell => {
    const marked = cell && cell.querySelector('data, time');
    const text = cell ? cell.textContent.trim() : '';
    if (marked) return marked.tagName === 'TIME' ? marked.dateTime : Number(marked.value);
    const number = Number(text.replace(/[,%\s]/g, '').replace('−', '-'));
    return text === '' || text.startsWith('–') ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (one, other) => {
    if (typeof one === 'number' && typeof other === 'number') return one - other;
    return String(one).localeCompare(String(other), 'en', { numeric: true });
  };
  const makeSortable = table => {
    const body = table.tBodies[0];
    const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    const original = groups(body);
    if (original.length < 3) return;
    heads.forEach((head, column) => {
      if (head.tagName !== 'TH') return;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'sort';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const next = { none: 'ascending', ascending: 'descending', descending: 'none' };
        const order = next[head.getAttribute('aria-sort') || 'none'];
        heads.forEach(other => other.removeAttribute('aria-sort'));
        if (order !== 'none') head.setAttribute('aria-sort', order);
        const keyed = original.map(rows => [key(rows[0].cells[column]), rows]);
        const known = keyed.filter(([value]) => value !== null);
        const missing = keyed.filter(([value]) => value === null);
        const sign = order === 'descending' ? -1 : 1;
        if (order !== 'none') known.sort((one, other) => sign * compare(one[0], other[0]));
        const sorted = order === 'none' ? keyed : [...known, ...missing];
        body.append(...sorted.flatMap(([, rows]) => rows));
      });
    });
  };

  // ---- searching: the rows of the tables that can be searched, folded ones unfolded while words are looked for
  const makeSearchable = field => {
    const rows = all('table.searchable tbody tr');
    const folds = all('details').filter(fold => fold.querySelector('table.searchable'));
    const told = field.closest('form').querySelector('output');
    let before = null;
    field.closest('form').hidden = false;
    field.closest('form').addEventListener('submit', event => event.preventDefault());
    field.addEventListener('input', () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length && !before) before = folds.map(fold => fold.open);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
        shown += !row.hidden;
      }
      folds.forEach((fold, at) => { fold.open = words.length ? true : before ? before[at] : fold.open; });
      if (!words.length) before = null;
      told.textContent = words.length ? `${shown} of ${rows.length} rules` : '';
    });
  };

  // ---- reading out: the values at the day under the pointer
  const makeReadable = (svg, tip) => {
    const { left, width, top, height, points } = JSON.parse(svg.dataset.readout);
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    line.setAttribute('class', 'readout');
    line.setAttribute('y1', top);
    line.setAttribute('y2', top + height);
    const hide = () => { tip.hidden = true; line.remove(); };
    svg.addEventListener('pointermove', event => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const at = ((event.clientX - box.left) * scale - left) / width;
      const far = point => Math.abs(point[0] - at);
      const near = points.reduce((best, point) => (far(point) < far(best) ? point : best));
      const x = left + near[0] * width;
      line.setAttribute('x1', x);
      line.setAttribute('x2', x);
      svg.append(line);
      tip.textContent = near[1];
      tip.hidden = false;
      const place = window.scrollX + box.left + x / scale + 12;
      const room = window.scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, place > room ? place - tip.offsetWidth - 24 : place)}px`;
      tip.style.top = `${window.scrollY + box.top + top / scale}px`;
    });
    svg.addEventListener('pointerleave', hide);
  };

  all('table').forEach(makeSortable);
  all('input[type=search]').forEach(makeSearchable);
  const drawings = all('svg[data-readout]');
  if (drawings.length) {
    const tip = document.createElement('div');
    tip.className = 'tip';
    tip.hidden = true;
    tip.setAttribute('aria-hidden', 'true');
    document.body.append(tip);
    drawings.forEach(svg => makeReadable(svg, tip));
  }
})();
