const slides = [...document.querySelectorAll('.slide')]
const step = { ArrowRight: 1, ArrowLeft: -1 }
addEventListener('keydown', event => {
  const now = slides.findIndex(slide => slide.getBoundingClientRect().bottom > 1)
  const next = slides[now + step[event.key]]
  if (next) { next.scrollIntoView(); event.preventDefault() }
})
