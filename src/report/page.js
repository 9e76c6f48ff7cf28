'use strict';
// The contents, from the sections that there are.
for (const section of document.querySelectorAll('main > section')) {
  const link = document.createElement('a');
  link.href = '#' + section.id;
  link.textContent = section.querySelector('h2').textContent;
  document.getElementById('contents').append(link);
}

// Maps: colours by system or by chapter, and a search.
function colourOf(number, count) {
  return number < 0 || count === 0 ? 'var(--c8)' : `hsl(${Math.round(360 * number / count)} 60% var(--dot))`;
}

function startMap(map) {
  const texts = name => [...map.querySelectorAll(`.${name} > li`)].map(item => item.textContent);
  const systems = texts('systems'), chapters = texts('chapters');
  const svg = map.querySelector('svg'), legend = map.querySelector('.legend'), found = map.querySelector('.found');
  const find = map.querySelector('.find'), select = map.querySelector('.colour');
  const plain = text => text.toUpperCase().replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
  const dots = [...svg.querySelectorAll('circle')].map(circle => ({
    circle, system: Number(circle.getAttribute('class').slice(1)), chapter: Number(circle.dataset.k),
    code: circle.dataset.c, text: circle.dataset.d,
    key: plain(circle.dataset.c).replaceAll(' ', ''), words: ' ' + plain(circle.dataset.d)
  }));
  const name = dot => `${systems[dot.system]} ${dot.code}` + (dot.text ? ` (${dot.text})` : '');

  const entry = (colour, text) => {
    const item = document.createElement('li'), key = document.createElement('i');
    key.style.setProperty('--key', colour);
    item.append(key, text);
    legend.append(item);
  };
  const colour = () => {
    const system = select.value === '' ? -1 : Number(select.value);
    const own = [...new Set(dots.filter(d => d.system === system && d.chapter >= 0).map(d => d.chapter))].sort((a, b) =>
      chapters[a] < chapters[b] ? -1 : 1);
    legend.replaceChildren();
    for (const dot of dots) {
      dot.circle.style.fill = system < 0 ? '' : dot.system === system ? colourOf(own.indexOf(dot.chapter), own.length) : 'var(--rule)';
    }
    if (system < 0) systems.forEach((text, i) => entry(i < 7 ? `var(--c${i + 1})` : 'var(--c8)', text));
    else own.forEach((chapter, i) => entry(colourOf(i, own.length), chapters[chapter]));
  };
  const search = () => {
    const words = plain(find.value), key = words.replaceAll(' ', '');
    const hits = dots.filter(dot => {
      const hit = key !== '' && (dot.key.startsWith(key) || (words.length > 2 && dot.words.includes(' ' + words)));
      dot.circle.classList.toggle('hit', hit);
      return hit;
    });
    for (const dot of hits) svg.append(dot.circle);
    svg.classList.toggle('searched', key !== '');
    found.textContent = key === '' ? '' : hits.length === 0 ? 'None of the codes on the map.' :
      `${hits.length}: ` + hits.slice(0, 12).map(name).join(', ') + (hits.length > 12 ? ', ...' : '');
  };

  systems.forEach((text, i) => {
    if (!dots.some(dot => dot.system === i && dot.chapter >= 0)) return;
    const option = document.createElement('option');
    option.value = i;
    option.textContent = `chapter of ${text}`;
    select.append(option);
  });
  const of = new Map(dots.map(dot => [dot.circle, dot]));
  svg.addEventListener('pointerover', event => {
    if (of.has(event.target)) found.textContent = name(of.get(event.target));
  });
  find.addEventListener('input', search);
  select.addEventListener('change', colour);
  colour();
}
document.querySelectorAll('.map').forEach(startMap);

// Of a job under way: whether it still writes its page, which has the time of this version.
const late = document.getElementById('late');
if (late) {
  const look = () => { late.hidden = Date.now() / 1000 - Number(late.dataset.written) < 3 * Number(late.dataset.every) + 30; };
  setInterval(look, 1000);
  look();
}
