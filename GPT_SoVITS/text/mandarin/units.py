"""What follows a number in Chinese text: units of measurement, measure words; and the readings of signs."""

from __future__ import annotations

import re

UNITS: dict[str, str] = {
    "km/h": "千米每小时",
    "km²": "平方千米",
    "km2": "平方千米",
    "m/s": "米每秒",
    "cm²": "平方厘米",
    "cm2": "平方厘米",
    "mm²": "平方毫米",
    "mm2": "平方毫米",
    "m²": "平方米",
    "m2": "平方米",
    "㎡": "平方米",
    "cm³": "立方厘米",
    "cm3": "立方厘米",
    "m³": "立方米",
    "m3": "立方米",
    "km": "千米",
    "dm": "分米",
    "cm": "厘米",
    "mm": "毫米",
    "μm": "微米",
    "nm": "纳米",
    "m": "米",
    "kg": "千克",
    "mg": "毫克",
    "g": "克",
    "t": "吨",
    "ml": "毫升",
    "mL": "毫升",
    "L": "升",
    "l": "升",
    "min": "分钟",
    "ms": "毫秒",
    "s": "秒",
    "h": "小时",
    "dB": "分贝",
    "db": "分贝",
    "kHz": "千赫兹",
    "MHz": "兆赫兹",
    "GHz": "吉赫兹",
    "Hz": "赫兹",
    "kWh": "千瓦时",
    "kW": "千瓦",
    "MW": "兆瓦",
    "W": "瓦",
    "kV": "千伏",
    "V": "伏",
    "mAh": "毫安时",
    "mA": "毫安",
    "Pa": "帕",
    "hPa": "百帕",
    "kcal": "千卡",
    "kPa": "千帕",
    "MPa": "兆帕",
    "J": "焦耳",
    "kJ": "千焦",
    "KB": "千字节",
    "MB": "兆字节",
    "GB": "吉字节",
    "TB": "太字节",
    "Mbps": "兆比特每秒",
    "Gbps": "吉比特每秒",
    "mph": "英里每小时",
    "ft": "英尺",
    "inch": "英寸",
    "lbs": "磅",
    "lb": "磅",
    "oz": "盎司",
    "USD": "美元",
    "RMB": "元",
    "CNY": "元",
    "HKD": "港元",
    "EUR": "欧元",
    "JPY": "日元",
    "°F": "华氏度",
    "℉": "华氏度",
}

UNIT_PATTERN = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))

_DOLLARS = {
    "HK": "港元",
    "US": "美元",
    "NT": "新台币",
    "AU": "澳元",
    "A": "澳元",
    "CA": "加元",
    "C": "加元",
    "S": "新加坡元",
}
CURRENCIES: dict[str, str] = {
    "￥": "元",
    "¥": "元",
    "CN¥": "元",
    "RMB": "元",
    "CNY": "元",
    "JP¥": "日元",
    "$": "美元",
    "USD": "美元",
    "HKD": "港元",
    "€": "欧元",
    "£": "英镑",
    "₩": "韩元",
    "₹": "卢比",
    "₽": "卢布",
    "฿": "泰铢",
    **{f"{land}$": name for land, name in _DOLLARS.items()},
}
CURRENCY_PATTERN = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True))

_MEASURE_WORDS = str.split(
    "个半 平方千米 平方公里 平方米 立方米 千米 公里 厘米 毫米 微米 纳米 分米 米 千克 公斤 毫克 克 吨 斤 毫升 升 分钟 "
    "毫秒 秒 小时 钟头 分贝 千赫兹 兆赫兹 吉赫兹 赫兹 千瓦时 千瓦 兆瓦 瓦 千伏 伏 毫安时 毫安 千帕 百帕 帕 千卡 华氏度 "
    "人民币 美元 欧元 英镑 日元 港币 港元 元 块 毛 角 分 "
    "万 亿 千 百 个 位 名 人 只 支 枝 张 条 根 本 册 卷 篇 页 章 节 课 幅 件 套 双 对 副 顶 把 架 台 辆 艘 列 部 座 栋 "
    "幢 间 家 所 层 片 块 粒 颗 株 棵 朵 束 串 头 匹 口 尾 杯 瓶 碗 盘 盒 箱 袋 包 桶 罐 壶 份 道 项 种 类 样 门 首 则 "
    "封 声 次 回 遍 趟 场 局 轮 届 期 岁 年 月 日 号 天 周 星期 "
    "代 倍 成 度 户 组 排 行 队 群 批 顿 笔 票 格 步 圈 级 段 "
    "滴 阵 股 团 堆 扇 枚 面 盏 棒 拳 句 字 词 集 款 米粒 寸 尺 丈 亩 公顷 里 海里 楼 点 时 刻"
)
_TO_TRADITIONAL = str.maketrans(
    "个张条页节课双对顶台辆栋间层块颗头杯盘罐壶种类样门则声轮届岁号组队顿笔级阵团盏词亩顷里楼点时只钟万亿毫厘纳镑币",
    "個張條頁節課雙對頂臺輛棟間層塊顆頭杯盤罐壺種類樣門則聲輪屆歲號組隊頓筆級陣團盞詞畝頃裡樓點時隻鐘萬億毫釐納鎊幣",
)
_BOTH_SCRIPTS = {*_MEASURE_WORDS, *(word.translate(_TO_TRADITIONAL) for word in _MEASURE_WORDS), "蚊", "餐", "粒"}
MEASURE_PATTERN = "|".join(sorted(_BOTH_SCRIPTS, key=len, reverse=True))

_ORDERED = str.split("月 日 号 楼 级 期 届 代 里 章 节 课 页 周 星期 百 成")
NOT_TWO_AS_PAIR = frozenset({*_ORDERED, *(word.translate(_TO_TRADITIONAL) for word in _ORDERED)})
"""Measure words before which 2 stays 二 because it counts in order (二月, 二楼) or by custom (二百)."""

_GREEK = (
    "阿尔法 贝塔 伽玛 德尔塔 艾普西龙 捷塔 依塔 西塔 艾欧塔 喀帕 拉姆达 缪 "
    "拗 克西 欧米克伦 派 肉 西格玛 套 宇普西龙 服艾 器 普赛 欧米伽"
)
_READINGS_OF_SIGNS: dict[str, str] = {
    **dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True)),
    **dict(zip("αβγδεζηθικλμνξοπρστυφχψω", _GREEK.split(), strict=True)),
    **dict(zip("ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫ", str.split("一 二 三 四 五 六 七 八 九 十 十一 十二"), strict=True)),
    **dict(zip("½⅓⅔¼¾⅕⅛", str.split("二分之一 三分之一 三分之二 四分之一 四分之三 五分之一 八分之一"), strict=True)),
    **dict(zip("/+×÷=", str.split("每 加 乘 除 等于"), strict=True)),
    **dict(zip("±√∞≈≠≤≥", str.split("正负 根号 无穷大 约等于 不等于 小于等于 大于等于"), strict=True)),
    **dict(zip("ςΔΣΩ№〇𠮷", str.split("西格玛 德尔塔 西格玛 欧米伽 第 零 吉"), strict=True)),
    **dict(zip("兙兡兛嗧瓧瓩瓰瓱瓸甅", str.split("十克 百克 千克 加仑 十瓦 千瓦 分瓦 毫瓦 百瓦 厘瓦"), strict=True)),
}
SIGNS: dict[int, str] = str.maketrans(_READINGS_OF_SIGNS)
"""Signs, and characters that stand for a sign or for two syllables, with their readings."""

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
