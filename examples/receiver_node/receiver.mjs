// Receives Kling's callbacks: checks the signature, keeps the latest state of every task, and answers at once.
//   KLING_WEBHOOK_SECRET=whsec_... PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const PATH = '/hook'
const MAX_BODY_BYTES = 1024 * 1024
const TOLERANCE_S = 300
const STAGES = { submitted: 0, processing: 1, succeed: 2, failed: 2 }

const secret = process.env.KLING_WEBHOOK_SECRET ?? ''
const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
const tasks = new Map()

// Standard Webhooks: one of the listed signatures is that of id, timestamp and the bytes of the body.
function isSigned(headers, body) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`])
  if (!id || !signatures || !/^\d{1,12}$/.test(timestamp ?? '')) return false
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return false
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return signatures.split(' ').some((one) => isSame(one, `v1,${wanted}`))
}

function isSame(given, wanted) {
  const [left, right] = [Buffer.from(given), Buffer.from(wanted)]
  return left.length === right.length && timingSafeEqual(left, right)
}

// A fatal decoder refuses what is not UTF-8 instead of reading something else.
function readTask(body) {
  try {
    const task = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return typeof task === 'object' && !Array.isArray(task) ? task : null
  } catch {
    return null
  }
}

// Callbacks come twice, late and in any order: a task never goes back. A status that is not known lies before the end.
function keep(task) {
  const id = String(task.task_id)
  const stage = (one) => STAGES[String(one.task_status)] ?? 1
  if (tasks.has(id) && stage(task) <= stage(tasks.get(id))) return
  tasks.set(id, task)
  console.log(`task ${id} is ${task.task_status}`)
}

function answer(request, body) {
  if (new URL(request.url, 'http://localhost').pathname !== PATH) return 404
  if (request.method !== 'POST') return 405
  if (secret && !isSigned(request.headers, body)) return 401
  const task = readTask(body)
  if (!task) return 400
  keep(task)
  return 200
}

const server = createServer((request, response) => {
  const parts = []
  let size = 0
  request.on('data', (part) => {
    size += part.length
    if (size > MAX_BODY_BYTES) response.writeHead(413, { connection: 'close' }).end()
    else parts.push(part)
  })
  request.on('end', () => response.headersSent || response.writeHead(answer(request, Buffer.concat(parts))).end())
})
server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}${PATH}`)
})
