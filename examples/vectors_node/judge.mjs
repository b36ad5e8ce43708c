// Judges the rows of `klingkit cases` with another engine of CEL and compares its verdicts with those of the rows.
//   node judge.mjs rules.json cases.ndjson
import { readFileSync } from 'node:fs'
import { parse } from '@marcbachmann/cel-js'

const [rulesFile, casesFile] = process.argv.slice(2)
const rules = JSON.parse(readFileSync(rulesFile, 'utf8')).filter((rule) => rule.kind === 'cel')
for (const rule of rules) rule.judge = parse(rule.statement)

// An integer of CEL is a BigInt here. JSON.parse knows it exactly up to 2^53, and CEL up to 2^63.
let isWide = false
function withIntegers(_, value) {
  if (!Number.isInteger(value)) return value
  isWide ||= !Number.isSafeInteger(value)
  return BigInt(value)
}

// The values that stand where a rule does, `face_choose[].sound_file`, each with its JSON Pointer.
function* valuesAt(value, [step, ...rest], pointer = '') {
  if (step === undefined) yield [pointer, value]
  else if (step === '[]' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* valuesAt(item, rest, `${pointer}/${index}`)
  } else if (value && typeof value === 'object' && Object.hasOwn(value, step)) {
    yield* valuesAt(value[step], rest, `${pointer}/${step}`)
  }
}

// The known facts of the payload and of the item around a place; what is absent or unknown is left out.
function factsAt(row, pointer) {
  const around = Object.keys(row.facts).filter((at) => `${pointer}/`.startsWith(`${at}/`))
  return Object.assign({}, ...around.map((at) => row.facts[at].known))
}

function verdict(rule, self, facts) {
  try {
    return rule.judge({ self, facts })
  } catch (error) {
    return error.message.split('\n')[0]
  }
}

const count = { same: 0, wide: 0, different: 0 }
for (const line of readFileSync(casesFile, 'utf8').split('\n').filter(Boolean)) {
  isWide = false
  const row = JSON.parse(line, withIntegers)
  const isJudged = Object.keys(row.facts).length > 0 // Otherwise the request was refused before its body was read.
  const payload = isJudged && (row.payload ?? JSON.parse(row.request.body.replace(/^\uFEFF/, ''), withIntegers))
  for (const rule of isJudged ? rules.filter((one) => one.operation === row.operation) : []) {
    if (row.verdicts.not_judged.includes(rule.id)) continue
    const steps = rule.node.replaceAll('[]', '.[]').split('.').filter(Boolean)
    const found = [...valuesAt(payload, steps)].map(([at, self]) => verdict(rule, self, factsAt(row, at)))
    const here = found.includes(false) ? false : (found.find((one) => one !== true) ?? true)
    const outcome = here === row.verdicts.holds.includes(rule.id) ? 'same' : isWide ? 'wide' : 'different'
    count[outcome] += 1
    if (outcome === 'different') console.log(`${rule.id}: ${here} here, other than the row says: ${row.why}`)
  }
}
console.log(`${count.same} verdicts are the same, ${count.different} differ, ${count.wide} of numbers beyond 2^53 differ`)
process.exitCode = count.different || !count.same ? 1 : 0
