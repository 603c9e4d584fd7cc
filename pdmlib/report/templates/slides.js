const slides = () => [...document.querySelectorAll('.slide')]
const overflows = slide => {
  const content = slide.querySelector('.content'), edge = content.getBoundingClientRect().bottom + 1
  const flat = [...content.querySelectorAll('.picture')].some(e => e.getBoundingClientRect().height < slide.clientHeight * 0.3)
  return flat || content.scrollHeight > content.clientHeight + 1 || [...content.querySelectorAll('tr, li, p')].some(e => e.getBoundingClientRect().bottom > edge)
}
const rows = slide => [...slide.querySelectorAll('.content tbody tr, .content li')].filter(e => !e.closest('details, .told, .boxes, aside'))
// What does not fit goes on on a further slide: nothing is cut, and nothing that is urgent is left out.
const carry = slide => {
  if (!overflows(slide) || rows(slide).length < 2) return
  const further = slide.cloneNode(true), all = rows(slide)
  let kept = all.length
  while (kept > 1 && overflows(slide)) all[--kept].remove()
  rows(further).slice(0, kept).forEach(row => row.remove())
  further.querySelectorAll('.picture, .content > p:not(.kicker), aside, [id]').forEach(e => e.matches('[id]') ? e.removeAttribute('id') : e.remove())
  further.querySelectorAll('.scroll, ul').forEach(e => e.querySelector('tbody tr, li') || e.remove())
  slide.querySelectorAll('.more').forEach(e => e.remove())
  further.setAttribute('aria-label', `${slide.querySelector('h2').innerText.replace(/ \(continued\)$/, '')}, continued`)
  further.removeAttribute('aria-labelledby')
  const title = further.querySelector('h2')
  title.innerText = `${title.innerText.replace(/ \(continued\)$/, '')} (continued)`
  slide.after(further)
  carry(further)
}
slides().forEach(carry)
// What is no list, such as the card, is written smaller.
for (const slide of slides()) {
  for (let size = 1; size > 0.5 && overflows(slide); size -= 0.05) slide.querySelector('.content').style.fontSize = `${size}em`
}
slides().forEach((slide, at, all) => {
  slide.id = `slide-${at + 1}`
  slide.querySelector('.number').innerText = `${at + 1} of ${all.length}`
  slide.querySelector('.progress').style.width = `${100 * (at + 1) / all.length}%`
})
const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }
addEventListener('keydown', event => {
  if (event.key === 'n') document.body.classList.toggle('noted')
  const all = slides(), now = all.findIndex(slide => slide.getBoundingClientRect().bottom > 1)
  const next = all[now + step[event.key]]
  if (next) { next.scrollIntoView(); event.preventDefault() }
})
