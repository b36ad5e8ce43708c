// The texts of the page, each in English and in Chinese.

const TEXTS = {
  skip: ["Skip to the content", "跳到正文"],
  tagline: ["mock of Kling advanced lip-sync", "可灵对口型接口的本地模拟"],
  views: ["Views", "视图"],
  exchanges: ["Exchanges", "请求"],
  tasks: ["Tasks", "任务"],
  playground: ["Playground", "试验台"],
  account: ["Account", "账户"],
  rules: ["Rules", "规则"],
  key: ["Key", "密钥"],
  keyHint: ["the key that your client sends", "客户端发送的密钥"],
  keyNone: [
    "No key: only requests without a usable key are shown. Type the key that your client sends; any text is an account of its own.",
    "未填密钥：只显示没有有效密钥的请求。请输入客户端发送的密钥；任何文本都是一个独立账户。",
  ],
  keyNeeded: ["Type a key first, at the top right.", "请先在右上角输入密钥。"],
  useTest: ["Use “test”", "使用 “test”"],
  language: ["中文", "English"],
  languageTitle: ["Switch to Chinese", "切换到英文"],
  "theme.auto": ["Theme: as the system", "主题：跟随系统"],
  "theme.light": ["Theme: light", "主题：浅色"],
  "theme.dark": ["Theme: dark", "主题：深色"],
  noAnswer: ["The mock does not answer: {why}. Trying again.", "模拟服务没有应答：{why}。正在重试。"],
  refusedKey: ["The mock refuses this key: {why}", "模拟服务拒绝该密钥：{why}"],
  newCalls: ["{n} new: {what}", "新增 {n} 条：{what}"],
  live: ["live", "实时"],
  copied: ["Copied", "已复制"],
  notCopied: ["Selected: press Ctrl+C to copy", "已选中：请按 Ctrl+C 复制"],
  copyCurl: ["Copy as curl", "复制为 curl"],
  copyPython: ["Copy as Python", "复制为 Python"],
  // Exchanges
  filter: ["Filter", "筛选"],
  anyOperation: ["any operation", "全部操作"],
  anyStatus: ["any status", "全部状态"],
  anyRule: ["any rule", "全部规则"],
  accepted: ["accepted", "已接受"],
  refused: ["refused", "被拒绝"],
  noExchanges: [
    "Nothing has been asked with this key yet. Point your client at {url}, or send the vendor's example from the playground.",
    "该密钥还没有任何请求。请将客户端指向 {url}，或在试验台发送官方示例。",
  ],
  noKeyless: ["No request without a usable key has come in.", "没有收到缺少有效密钥的请求。"],
  noMatch: ["No exchange passes the filter.", "没有符合筛选条件的请求。"],
  older: ["Show older", "显示更早的"],
  dropped: ["{n} older ones made room", "更早的 {n} 条已被移除"],
  latest: ["Follow the latest", "跟随最新"],
  elsewhere: ["unknown path", "未知路径"],
  time: ["time", "时间"],
  took: ["took", "耗时"],
  requestId: ["request id", "请求 ID"],
  scenarioPlayed: ["scenario played", "已播放场景"],
  why: ["Why it was refused", "为何被拒绝"],
  whyNot: ["Why it would be refused", "将被拒绝的原因"],
  unverified: ["Could not be verified", "无法验证"],
  notes: ["Notes", "提示"],
  found: ["found", "实际"],
  wanted: ["wanted", "要求"],
  at: ["at", "位置"],
  theRequest: ["the request", "请求本身"],
  vendor: ["the vendor's sentence", "官方原文"],
  meaning: ["its meaning", "含义"],
  "source.schema": ["The schema of the vendor's document", "官方文档的 schema"],
  "source.upstream": [
    "Kling's own documentation; the vendor's document does not say it",
    "可灵官网文档；接口文档没有写明",
  ],
  "source.mock": ["klingkit; no documentation says it", "klingkit 自定；没有文档写明"],
  "source.prose": ["The prose of the vendor's document", "官方文档的文字说明"],
  "evidence.quoted": ["quoted", "原文"],
  "evidence.documented": ["documented", "文档"],
  "evidence.observed": ["observed", "实测"],
  "evidence.ours": ["ours", "我们的解读"],
  report: ["1 report", "1 份报告"],
  reports: ["{n} reports", "{n} 份报告"],
  wording: ["wording of the message", "消息措辞"],
  timeline: ["Timeline", "时间轴"],
  "bar.video": ["video", "视频"],
  "bar.face": ["face", "人脸"],
  "bar.overlap": ["overlap", "重合"],
  "bar.inserted": ["inserted", "插入"],
  "bar.clip": ["clip", "裁剪"],
  "bar.audio": ["audio", "音频"],
  payload: ["Payload", "请求体"],
  noBody: ["no body", "无请求体"],
  headers: ["Request headers", "请求头"],
  answer: ["Answer", "应答"],
  toPlayground: ["Open in the playground", "在试验台打开"],
  redacted: [
    "Audio and other long texts are not kept: put your own in place of each object that says “redacted”.",
    "音频等长文本不保留：请用自己的内容替换标有 “redacted” 的对象。",
  ],
  // Tasks
  noTasks: ["There is no task yet. The playground makes one in three clicks.", "还没有任务。在试验台点三下即可创建。"],
  created: ["created", "创建于"],
  externalId: ["external id", "自定义 ID"],
  result: ["Result", "结果"],
  callbacks: ["Callbacks", "回调"],
  attempt: ["attempt", "次数"],
  "task.submitted": ["submitted", "已提交"],
  "task.processing": ["processing", "处理中"],
  "task.succeed": ["succeed", "成功"],
  "task.failed": ["failed", "失败"],
  nextAttempt: ["next: {status}, attempt {n}, at {time}", "下一次：{status}，第 {n} 次，{time}"],
  noReply: ["no answer", "无应答"],
  units: ["units", "消耗"],
  standing: ["The clock stands still; advance it under Account.", "时钟静止；请在“账户”中推进。"],
  // Playground
  judgement: ["Judgement and answer", "检查结果与应答"],
  operation: ["Operation", "操作"],
  example: ["Vendor's example", "官方示例"],
  exampleOf: ["Example", "示例"],
  walk: ["The whole way in three clicks", "三步走完全程"],
  walk1: ["1 · Find faces", "1 · 识别人脸"],
  walk2: ["2 · Make a voice", "2 · 合成语音"],
  walk3: ["3 · Create the task", "3 · 创建任务"],
  editor: ["Payload, judged as you type", "请求体（边输入边检查）"],
  attach: ["Attach audio", "附加音频"],
  notJson: ["The text is not a JSON object", "文本不是 JSON 对象"],
  send: ["Send", "发送"],
  format: ["Format", "格式化"],
  valid: ["Valid: the vendor would accept it", "有效：官方会接受"],
  validUnverified: ["No violation, but not everything could be verified", "没有违规，但有些内容无法验证"],
  violations: ["{n} broken rules: the vendor would refuse it", "违反 {n} 条规则：官方会拒绝"],
  violation: ["1 broken rule: the vendor would refuse it", "违反 1 条规则：官方会拒绝"],
  asCode: ["As code", "代码"],
  received: ["What came back", "应答内容"],
  noReceived: ["The connection broke: {why}", "连接中断：{why}"],
  // Account
  clock: ["Clock", "时钟"],
  now: ["It is", "当前时间"],
  realTime: ["follows real time", "跟随真实时间"],
  standsStill: ["stands still until it is advanced", "静止，直到被推进"],
  advancedBy: ["advanced by {time}", "已推进 {time}"],
  advance: ["Advance", "推进"],
  amount: ["Amount", "数量"],
  unit: ["Unit", "单位"],
  seconds: ["seconds", "秒"],
  minutes: ["minutes", "分钟"],
  hours: ["hours", "小时"],
  days: ["days", "天"],
  advanced: ["The clock was advanced", "时钟已推进"],
  concurrency: ["Tasks at once", "并发任务"],
  running: ["{n} running", "正在运行 {n} 个"],
  anyNumber: ["any number", "不限"],
  limit: ["Limit (empty: any number)", "上限（留空为不限）"],
  set: ["Set", "设置"],
  saved: ["Saved", "已保存"],
  scenario: ["Scenario", "场景"],
  noScenario: ["None is played.", "未播放任何场景。"],
  playing: ["Playing", "正在播放"],
  play: ["Play", "播放"],
  stop: ["Stop", "停止"],
  search: ["Search", "搜索"],
  "expects.succeeds": ["a good client gets the video", "合格的客户端最终拿到视频"],
  "expects.gives-up": ["a good client stops and says why", "合格的客户端停止并说明原因"],
  "expects.either": ["a good client may do either", "两种做法都可以"],
  world: ["World", "世界"],
  sessions: ["sessions", "会话"],
  audios: ["audios", "音频"],
  externalIds: ["external ids taken", "已占用的自定义 ID"],
  session: ["session", "会话"],
  faces: ["faces", "人脸"],
  lasts: ["lasts", "时长"],
  made: ["made", "创建于"],
  more: ["{n} more; search to narrow down", "另有 {n} 条；请搜索"],
  worldJson: ["World as JSON", "世界（JSON）"],
  replaceWorld: ["Replace the world", "替换世界"],
  worldForgets: ["Tasks and external ids are forgotten.", "任务和自定义 ID 会被清除。"],
  reset: ["Reset", "重置"],
  resetAbout: [
    "Back to a fresh account: world, clock, tasks, scenario, limits and journal.",
    "恢复为全新账户：世界、时钟、任务、场景、上限和日志。",
  ],
  resetSure: ["Forget everything of this account?", "清除该账户的全部内容？"],
  cancel: ["Cancel", "取消"],
  wasReset: ["The account is fresh again", "账户已重置"],
  // Rules
  rulesAbout: ["What the mock enforces, and the vendor's sentence behind it.", "模拟服务执行的规则及其官方原文。"],
  anyRequest: ["any request", "所有请求"],
  holds: ["holds when", "成立条件"],
};

const LANGUAGE = "klingkit.language";

/** The language that is shown: `en` or `zh`. */
export let language = stored() ?? (navigator.language.startsWith("zh") ? "zh" : "en");

function stored() {
  const value = localStorage.getItem(LANGUAGE);
  return value === "en" || value === "zh" ? value : undefined;
}

/** Switch between the two. */
export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(LANGUAGE, language);
}

/** Return a text of the page; `{names}` in it are filled in. A text that the page does not have is returned as it is. */
export function t(name, values = {}) {
  const text = TEXTS[name]?.[language === "zh" ? 1 : 0] ?? name.split(".").pop();
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? values[key] : whole));
}

/** Whether the page has a text of that name. */
export const has = (name) => name in TEXTS;

/** Return a date and a time of day of this machine's zone. */
export function moment(ms) {
  const at = new Date(Number(ms));
  if (Number.isNaN(at.getTime())) return String(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Return a time of day, with the date where it is not today's. */
export function time(ms) {
  const [day, hour] = moment(ms).split(" ");
  return hour && day === moment(Date.now()).split(" ")[0] ? hour : moment(ms);
}

const two = (number) => String(number).padStart(2, "0");

/** Return how long something takes, in the largest unit that it fills. */
export function duration(ms) {
  for (const [size, unit] of [
    [86400000, "d"],
    [3600000, "h"],
    [60000, "min"],
    [1000, "s"],
  ]) {
    if (ms >= size) return `${Number((ms / size).toFixed(2))} ${unit}`;
  }
  return `${ms} ms`;
}
