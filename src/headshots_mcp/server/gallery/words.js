// What the page says, in the languages it knows. All languages have the same words; a test compares them.

export const WORDS = {
  en: {
    title: "AI headshots",
    task: "Task",
    asking: "Checking…",
    pending: "Waiting",
    processing: "In progress",
    stuck: "Probably stuck",
    succeeded: "Ready",
    failed: "Failed",
    not_found: "Not found",
    unavailable: "Temporarily unavailable",
    usually: "Usually takes 1–2 minutes.",
    running: (time) => `Running for ${time}.`,
    justStarted: "Just started.",
    checkId: "Check the task ID. A new task can take a few seconds to appear.",
    unanswered: "There was no answer for this task. Try again in a moment.",
    none: "No pictures were returned.",
    reference: "Support reference",
    count: (ready, all) => `${ready} of ${all} ready`,
    updated: (time) => `Updated ${time}`,
    refresh: "Refresh",
    showAll: (all) => `Show all ${all} tasks`,
    picture: (number, all) => `Picture ${number} of ${all}`,
    blocked: "This app can't show pictures from this site:",
    broken: "This picture could not be loaded:",
    previous: "Previous picture",
    next: "Next picture",
    use: "Use this one",
    chosen: "Chosen",
    told: "Your assistant will see your choice with your next message.",
    save: "Save",
    saved: "Saved",
    notSaved: "Not saved",
    open: "Open original",
    copyLink: "Copy link",
    copy: "Copy",
    copied: "Copied",
    close: "Close",
    refused: "Your app blocked this action",
    cancelled: "Lookup cancelled.",
    between: " ",
    templates: {},
  },
  "zh-Hant": {
    title: "AI 證件照",
    task: "任務",
    asking: "查詢中…",
    pending: "等待中",
    processing: "製作中",
    stuck: "可能卡住了",
    succeeded: "已完成",
    failed: "失敗",
    not_found: "找不到",
    unavailable: "暫時無法查詢",
    usually: "通常需要 1 至 2 分鐘。",
    running: (time) => `已執行 ${time}。`,
    justStarted: "剛剛開始。",
    checkId: "請檢查任務 ID。新任務可能要過幾秒才查得到。",
    unanswered: "沒有取得這個任務的結果，請稍後再試。",
    none: "沒有圖片。",
    reference: "Trace ID",
    count: (ready, all) => `${all} 個任務，已完成 ${ready} 個`,
    updated: (time) => `${time} 更新`,
    refresh: "重新整理",
    showAll: (all) => `顯示全部 ${all} 個任務`,
    picture: (number, all) => `第 ${number} 張圖片，共 ${all} 張`,
    blocked: "無法在此顯示這個網站的圖片：",
    broken: "無法載入這張圖片：",
    previous: "上一張",
    next: "下一張",
    use: "使用這張",
    chosen: "已選擇",
    told: "助理會在你傳送下一則訊息時得知你的選擇。",
    save: "儲存",
    saved: "已儲存",
    notSaved: "未儲存",
    open: "開啟原圖",
    copyLink: "複製連結",
    copy: "複製",
    copied: "已複製",
    close: "關閉",
    refused: "應用程式未執行這項操作",
    cancelled: "已取消查詢。",
    between: "",
    templates: {
      male_portrait: "男形象照",
      male_portrait2: "男形象照 2",
      female_portrait: "女形象照",
      business_photo: "商務照",
      wedding: "婚紗照",
      kindergarten: "幼兒園",
    },
  },
  "zh-Hans": {
    title: "AI 证件照",
    task: "任务",
    asking: "查询中…",
    pending: "等待中",
    processing: "制作中",
    stuck: "可能卡住了",
    succeeded: "已完成",
    failed: "失败",
    not_found: "找不到",
    unavailable: "暂时无法查询",
    usually: "通常需要 1 至 2 分钟。",
    running: (time) => `已运行 ${time}。`,
    justStarted: "刚刚开始。",
    checkId: "请检查任务 ID。新任务可能要过几秒才查得到。",
    unanswered: "没有取得这个任务的结果，请稍后再试。",
    none: "没有图片。",
    reference: "Trace ID",
    count: (ready, all) => `${all} 个任务，已完成 ${ready} 个`,
    updated: (time) => `${time} 更新`,
    refresh: "刷新",
    showAll: (all) => `显示全部 ${all} 个任务`,
    picture: (number, all) => `第 ${number} 张图片，共 ${all} 张`,
    blocked: "无法在此显示这个网站的图片：",
    broken: "无法加载这张图片：",
    previous: "上一张",
    next: "下一张",
    use: "使用这张",
    chosen: "已选择",
    told: "助手会在你发送下一条消息时得知你的选择。",
    save: "保存",
    saved: "已保存",
    notSaved: "未保存",
    open: "打开原图",
    copyLink: "复制链接",
    copy: "复制",
    copied: "已复制",
    close: "关闭",
    refused: "应用程序未执行这项操作",
    cancelled: "已取消查询。",
    between: "",
    templates: {
      male_portrait: "男形象照",
      male_portrait2: "男形象照 2",
      female_portrait: "女形象照",
      business_photo: "商务照",
      wedding: "婚纱照",
      kindergarten: "幼儿园",
    },
  },
};

export let language = "en";
export let words = WORDS.en;

// Takes a BCP 47 tag; Chinese without a script or a region counts as simplified.
export function speak(locale) {
  const chinese = /hant|-(tw|hk|mo)\b/i.test(locale) ? "zh-Hant" : "zh-Hans";
  language = /^zh\b/i.test(locale) ? chinese : "en";
  words = WORDS[language];
}

export const isRightToLeft = (locale) => /^(ar|he|iw|fa|ur|yi|ps|sd|ug|dv|ckb)\b/i.test(locale);

export function templateName(template) {
  if (!template) return words.task;
  const plain = template.replaceAll("_", " ").replace(/(\D)(\d+)$/, "$1 $2");
  const known = Object.hasOwn(words.templates, template);
  return known ? words.templates[template] : plain.charAt(0).toUpperCase() + plain.slice(1);
}

export const timeOfDay = (date) => date.toLocaleTimeString(language, { timeStyle: "short" });

// In the largest unit that fits: 3 minutes, 2 hours, 5 days.
export function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  const [amount, unit] =
    minutes < 120
      ? [minutes, "minute"]
      : minutes < 2880
        ? [Math.floor(minutes / 60), "hour"]
        : [Math.floor(minutes / 1440), "day"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(amount);
}
