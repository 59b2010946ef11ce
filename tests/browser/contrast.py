"""How well a text stands out, measured in the browser."""

# Contrast as WCAG has it, of an element's text against the first ground below it that is not clear.
CONTRAST = """element => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const read = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = color => {
    const curve = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [r, g, b] = color.slice(0, 3).map(v => curve(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  let ground = element;
  while (ground.parentElement && read(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
  const style = getComputedStyle(element);
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const [a, b] = [ink, getComputedStyle(ground).backgroundColor].map(c => light(read(c)));
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""
