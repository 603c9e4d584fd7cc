// A click on the title of a column sorts its table, a second one the other way round; what was folded under it comes along.
const amount = cell => cell.dataset.v === undefined ? NaN : Number(cell.dataset.v)
const compare = (a, b) => {
  const x = amount(a), y = amount(b)
  if (isNaN(x) && isNaN(y)) return a.innerText.localeCompare(b.innerText)
  return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y
}
const rest = table => {
  const next = table.closest('.scroll')?.nextElementSibling
  return next?.matches('details.rest') ? next : null
}
const sort = (table, column, down) => {
  const body = table.tBodies[0], more = rest(table)
  if (more) {
    body.append(...more.querySelectorAll('tbody tr'))
    more.remove()
  }
  const rows = [...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column]))
  body.append(...(down ? rows.reverse() : rows))
  for (const title of table.tHead.rows[0].cells) title.removeAttribute('aria-sort')
  table.tHead.rows[0].cells[column].setAttribute('aria-sort', down ? 'descending' : 'ascending')
}
for (const title of document.querySelectorAll('.scroll > table.pdm > thead th')) {
  const button = document.createElement('button')
  button.append(...title.childNodes)
  title.append(button)
  button.addEventListener('click', () => {
    const numbers = title.classList.contains('n'), sorted = title.getAttribute('aria-sort')
    sort(title.closest('table'), title.cellIndex, sorted ? sorted === 'ascending' : numbers)
  })
}
// One click opens all statements, or folds them again.
const statements = [...document.querySelectorAll('details.statement')]
if (statements.length > 1) {
  const all = document.createElement('button')
  const say = () => { all.innerText = statements.every(one => one.open) ? 'Fold all' : 'Open all' }
  all.addEventListener('click', () => {
    const open = !statements.every(one => one.open)
    for (const one of statements) one.open = open
    say()
  })
  for (const one of statements) one.addEventListener('toggle', say)
  say()
  statements[0].before(all)
}
