// The page loads itself anew; where nobody writes it any more it says how old it is.
const written = document.querySelector('time'), moment = new Date(written.dateTime)
const say = () => {
  const minutes = Math.floor((Date.now() - moment) / 60000)
  written.nextSibling?.remove()
  written.after(` · ${minutes} min ago`)
  written.parentElement.classList.toggle('old', minutes > 15)
}
say()
setInterval(say, 10000)
// All of it is seen at once: where there is more than a screen holds, it is drawn smaller.
const wall = document.querySelector('main')
const low = () => document.documentElement.scrollHeight > innerHeight
for (let size = 1; innerWidth >= 1500 && size > 0.6 && low(); size -= 0.03) wall.style.zoom = size
setTimeout(() => location.reload(), 1000 * document.body.dataset.refresh)
